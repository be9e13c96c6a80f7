/* The change of stacks for fiber.cc, System V ABI of x86-64. What a function may not change is saved; the control words of the
 * floating-point units are the thread's, and stay as they are: to save them too takes longer than all the rest. */
    .text

/* void xensim_switch_stack(void** from, void* to): leaves the stack pointer of this stack in *from, and goes on where a call with that
 * `from` left `to`. */
    .globl xensim_switch_stack
    .type xensim_switch_stack, @function
xensim_switch_stack:
    .cfi_startproc
    push %rbp
    .cfi_adjust_cfa_offset 8
    push %rbx
    .cfi_adjust_cfa_offset 8
    push %r12
    .cfi_adjust_cfa_offset 8
    push %r13
    .cfi_adjust_cfa_offset 8
    push %r14
    .cfi_adjust_cfa_offset 8
    push %r15
    .cfi_adjust_cfa_offset 8
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    .cfi_adjust_cfa_offset -8
    pop %r14
    .cfi_adjust_cfa_offset -8
    pop %r13
    .cfi_adjust_cfa_offset -8
    pop %r12
    .cfi_adjust_cfa_offset -8
    pop %rbx
    .cfi_adjust_cfa_offset -8
    pop %rbp
    .cfi_adjust_cfa_offset -8
    pop %rcx /* not RET: a processor predicts that from the calls of the stack that was left, and wrongly: 10 ns, not 6 */
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmp *%rcx
    .cfi_endproc
    .size xensim_switch_stack, . - xensim_switch_stack

/* Where a new stack goes on: calls %rbx(%r12), which does not return. */
    .globl xensim_begin_stack
    .type xensim_begin_stack, @function
xensim_begin_stack:
    .cfi_startproc
    .cfi_undefined %rip /* the end of every backtrace */
    and $-16, %rsp
    xor %ebp, %ebp
    mov %r12, %rdi
    call *%rbx
    ud2
    .cfi_endproc
    .size xensim_begin_stack, . - xensim_begin_stack

    .section .note.GNU-stack, "", @progbits
