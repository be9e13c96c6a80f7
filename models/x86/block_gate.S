/* See block_gate.h. Copied to beside the engine's code, a page behind what each block looks at: so this has no address but by distance.

   A hook's arguments: the engine, the block's address, its size or tag, the State. */
#include "models/x86/block_gate_layout.h"

#if defined(__x86_64__)

    .text
    .globl xensim_gate_begin, xensim_gate_counted, xensim_gate_repeated, xensim_gate_end
    .globl xensim_gate_rdtsc, xensim_gate_rdtscp, xensim_gate_pause
    .globl xensim_gate_sti, xensim_gate_flags, xensim_gate_iret_real, xensim_gate_iret, xensim_gate_sysret
    .hidden xensim_gate_begin, xensim_gate_counted, xensim_gate_repeated, xensim_gate_end
    .hidden xensim_gate_rdtsc, xensim_gate_rdtscp, xensim_gate_pause
    .hidden xensim_gate_sti, xensim_gate_flags, xensim_gate_iret_real, xensim_gate_iret, xensim_gate_sysret

xensim_gate_begin:
    mov %edx, %eax
    shr $GATE_NUMBER_BITS, %eax
    sub $1, %eax
    mov GATE_ROOM(%rcx), %r8
    sub %rax, %r8
    jb 1f
    mov %r8, GATE_ROOM(%rcx)
    mov %edx, GATE_LAST(%rcx)
    ret
1:  cmp GATE_REPEAT_TAG(%rcx), %edx
    jne look
    mov GATE_REPEAT_LEFT(%rcx), %r8
    sub $1, %r8
    jb look
    mov %r8, GATE_REPEAT_LEFT(%rcx)
    movl $-1, GATE_LAST(%rcx)
    ret

/* From a block that has taken its charge itself, and more than there was: it is given back. */
xensim_gate_counted:
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    mov (%rsp), %r8
    mov -GATE_COUNTED_TAG(%r8), %edx
    mov %edx, %eax
    shr $GATE_NUMBER_BITS, %eax
    sub $1, %eax
    add %rax, GATE_ROOM(%rcx)
    jmp look

/* From a repeated instruction, whose iterations were not given, or are all used up: then one too many was taken. */
xensim_gate_repeated:
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    mov (%rsp), %r8
    mov -GATE_REPEATED_TAG(%r8), %edx
    cmpq $0, GATE_REPEAT_LEFT(%rcx)
    jge look
    movq $0, GATE_REPEAT_LEFT(%rcx)

/* The rest is the program's. It says where the block goes on; there the engine's check for a stop has been made. */
look:
    mov (%rsp), %r8
    push %rcx
    call *GATE_SLOW(%rcx)
    pop %rcx
    mov %rax, (%rsp)
    mov GATE_ENGINE(%rcx), %rdi
    xor %esi, %esi
    jmp *GATE_CHECK(%rcx)

/* In place of the engine's function for an instruction, with its arguments: the processor's state, and one more. Flags: was it served? */
    .macro serve what
    push %rdi
    push %rsi
    sub $8, %rsp
    lea xensim_gate_begin - GATE_PAGE(%rip), %rdx
    mov $\what, %ecx
    call *GATE_SERVE(%rdx)
    add $8, %rsp
    pop %rsi
    pop %rdi
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    test %al, %al
    .endm

xensim_gate_rdtsc:
    serve GATE_SERVE_RDTSC
    jnz served
    jmp *GATE_RDTSC(%rcx)

xensim_gate_rdtscp:
    serve GATE_SERVE_RDTSCP
    jnz served
    jmp *GATE_RDTSCP(%rcx)
served:
    ret

/* The engine's does not return either: a PAUSE ends its block. */
xensim_gate_pause:
    serve GATE_SERVE_PAUSE
    jnz 1f
    jmp *GATE_PAUSE(%rcx)
1:  add $8, %rsp
    call *GATE_LOOKUP(%rcx)
    jmp *%rax

/* Before the engine's function for an instruction that may set IF, with its arguments, of which there are three at most. */
    .macro opens name, function
xensim_gate_\name:
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    cmpl $0, GATE_WAITING(%rcx)
    jne 1f
    jmp *\function(%rcx)
1:  push %rdi
    push %rsi
    push %rdx
    mov %rcx, %rdi
    call *GATE_OPENS(%rcx)
    pop %rdx
    pop %rsi
    pop %rdi
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    jmp *\function(%rcx)
    .endm

    opens sti, GATE_STI
    opens flags, GATE_FLAGS
    opens iret_real, GATE_IRET_REAL
    opens iret, GATE_IRET
    opens sysret, GATE_SYSRET
xensim_gate_end:

#endif

    .section .note.GNU-stack, "", @progbits
