/* See block_gate.h. Copied to beside the engine's code, a page behind what each block looks at: so this has no address but by distance.

   A hook's arguments: the engine, the block's address, its size or tag, the State. */
#include "models/x86/fast/block_gate_layout.h"

#if defined(__x86_64__)

    .set gate_next, GATE_FUNCTIONS
#define XS_ENGINE_FUNCTION(name, symbol) .set gate_of_##name, gate_next; .set gate_next, gate_next + 8
#include "models/x86/engine/engine_functions.def"

    .text
    .macro label name
    .globl xensim_gate_\name
    .hidden xensim_gate_\name
xensim_gate_\name:
    .endm

    label begin
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
    label counted
    lea xensim_gate_begin - GATE_PAGE(%rip), %rcx
    mov (%rsp), %r8
    mov -GATE_COUNTED_TAG(%r8), %edx
    mov %edx, %eax
    shr $GATE_NUMBER_BITS, %eax
    sub $1, %eax
    add %rax, GATE_ROOM(%rcx)
    jmp look

/* From a repeated instruction, whose iterations were not given, or are all used up: then one too many was taken. */
    label repeated
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
    jmp *gate_of_check(%rcx)

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

    label rdtsc
    serve GATE_SERVE_RDTSC
    jnz served
    jmp *gate_of_rdtsc(%rcx)

    label rdtscp
    serve GATE_SERVE_RDTSCP
    jnz served
    jmp *gate_of_rdtscp(%rcx)
served:
    ret

/* The engine's does not return either: a PAUSE ends its block. */
    label pause
    serve GATE_SERVE_PAUSE
    jnz 1f
    jmp *gate_of_pause(%rcx)
1:  add $8, %rsp
    call *gate_of_lookup(%rcx)
    jmp *%rax

/* In place of the engine's function that finds the next block's code, with its argument: the processor's state. */
    label lookup
    lea xensim_gate_begin - GATE_PAGE(%rip), %rsi
    jmp *GATE_FIND(%rsi)

/* Before the engine's function for an instruction that may set IF, with its arguments, of which there are three at most. */
    .macro opens name, function
    label \name
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

    opens sti, gate_of_sti
    opens flags, gate_of_flags
    opens iret_real, gate_of_iret_real
    opens iret, gate_of_iret
    opens sysret, gate_of_sysret

/* Is the last byte of an access in another page? Flags, and r11. */
    .macro crosses bits
    lea \bits / 8 - 1(%rsi), %r11
    xor %rsi, %r11
    test $-4096, %r11
    .endm

/* In place of the engine's function for a load that its TLB does not let pass: the processor's state, the address, the access's use,
   and where the engine would restore the state from. */
    .macro load bits, move, register, function
    label load_\bits
    lea xensim_gate_begin - GATE_PAGE(%rip), %r9
    cmpl $1, GATE_TLB_KNOWN(%r9)
    jne 1f
    crosses \bits
    jnz 1f
    mov %edx, %r10d
    mov $GATE_FILL_READ, %r11d
    call fill
    test %rax, %rax
    jz 1f
    \move (%rax), \register
    ret
1:  jmp *\function(%r9)
    .endm

    load 8, movzbl, %eax, gate_of_load_8
    load 16, movzwl, %eax, gate_of_load_16
    load 32, movl, %eax, gate_of_load_32
    load 64, movq, %rax, gate_of_load_64

/* In place of the engine's function for a store that its TLB does not let pass: the processor's state, the address, the value, the
   access's use, and as above. The first store to each page comes here, and the engine goes a long way to find that the page holds no
   code; where it may be executed, or code is near it, each store does. Where it never held any, the mark is taken off and they pass. */
    .macro store bits, register, function
    label store_\bits
    lea xensim_gate_begin - GATE_PAGE(%rip), %r9
    cmpl $1, GATE_TLB_KNOWN(%r9)
    jne 2f
    crosses \bits
    jnz 1f
    mov %ecx, %eax
    and $GATE_TLB_USES, %eax
    shl $4, %eax
    mov %rsi, %r10
    shr $(12 - GATE_ENTRY_SHIFT), %r10
    and GATE_TLB(%rdi, %rax), %r10
    add GATE_TLB + 8(%rdi, %rax), %r10
    mov %rsi, %r11
    and $-4096, %r11
    or $GATE_SEES_STORES, %r11
    cmp %r11, GATE_ENTRY_WRITE(%r10)
    jne 3f
    mov GATE_ENTRY_PHYSICAL(%r10), %r11
    shr $12, %r11
    mov GATE_CODE_PAGES(%r9), %rax
    bt %r11, (%rax)
    jc 1f
    andq $~GATE_SEES_STORES, GATE_ENTRY_WRITE(%r10)
    mov GATE_ENTRY_ADDEND(%r10), %r11
    mov \register, (%rsi, %r11)
    ret
1:  jmp *\function(%r9)
2:  ja 1b
    call prove
    jmp *\function(%r9)
3:  mov %ecx, %r10d
    mov $GATE_FILL_WRITE, %r11d
    call fill
    test %rax, %rax
    jz 1b
    mov \register, (%rax)
    ret
    .endm

/* With the access's use in r10d and GATE_FILL_* in r11d: its host address, or 0. Leaves its arguments, and the State in r9, as they
   are. */
fill:
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    push %r9
    mov %r10d, %edx
    mov %r9, %rcx
    mov %r11d, %r8d
    call *GATE_FILL(%r9)
    pop %r9
    pop %r8
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    ret

/* Not yet known whether the engine's TLB is as expected. Leaves a store's arguments, and the State in r9, as they are. */
prove:
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    sub $8, %rsp
    mov %ecx, %edx
    mov %r9, %rcx
    call *GATE_PROVE(%r9)
    add $8, %rsp
    pop %r8
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    lea xensim_gate_begin - GATE_PAGE(%rip), %r9
    ret

    store 8, %dl, gate_of_store_8
    store 16, %dx, gate_of_store_16
    store 32, %edx, gate_of_store_32
    store 64, %rdx, gate_of_store_64
    label end

#endif

    .section .note.GNU-stack, "", @progbits
