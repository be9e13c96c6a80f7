/* See block_gate.h. Copied to beside the engine's code, a page behind what each block looks at: so this has no address but by distance.

   A hook's arguments: the engine, the block's address, its size or tag, the State. */
#include "models/x86/block_gate_layout.h"

#if defined(__x86_64__)

    .text
    .globl xensim_gate_begin, xensim_gate_counted, xensim_gate_repeated, xensim_gate_end
    .hidden xensim_gate_begin, xensim_gate_counted, xensim_gate_repeated, xensim_gate_end

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
xensim_gate_end:

#endif

    .section .note.GNU-stack, "", @progbits
