/* See guest_stack.h. System V ABI of x86-64. */
#define HOST_SP 0
#define GUEST_SP 8
#define CALLS 16
#define OWNER 24

    .text

/* What is saved lies on the host's stack, from host_sp upward: the structure's address, its two words, the registers. */
    .globl xensim_enter_guest
    .type xensim_enter_guest, @function
xensim_enter_guest:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    mov %rsp, %rbp
    .cfi_def_cfa_register %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push HOST_SP(%rdi)
    push GUEST_SP(%rdi)
    push %rdi /* and the stack is aligned to 16, as a call wants it */
    mov %rsp, HOST_SP(%rdi)
    mov GUEST_SP(%rdi), %rsp
    and $-16, %rsp
    .cfi_undefined %rip
    push $0 /* in place of a return address, which would be the host's */
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %ebp, %ebp
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    xor %r12d, %r12d
    xor %r13d, %r13d
    xor %r14d, %r14d
    xor %r15d, %r15d
    jmp *%rax
    .cfi_endproc
    .size xensim_enter_guest, . - xensim_enter_guest

/* Called by the guest: back to who entered it. */
    .globl xensim_guest_leave
    .type xensim_guest_leave, @function
xensim_guest_leave:
    .cfi_startproc
    .cfi_undefined %rip
    mov HOST_SP(%rdi), %rsp
    pop %rdi
    pop GUEST_SP(%rdi)
    pop HOST_SP(%rdi)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .cfi_endproc
    .size xensim_guest_leave, . - xensim_guest_leave

    .type call_host, @function
call_host: /* %eax: number of the call */
    .cfi_startproc
    .cfi_undefined %rip /* an unwinder ends here: guests have no tables */
    push %rbp
    mov %rsp, %rbp
    mov %rsp, GUEST_SP(%rdi)
    mov HOST_SP(%rdi), %rsp
    push $0
    push 16(%rbp) /* the seventh argument, of the calls that have one */
    mov CALLS(%rdi), %r10
    mov OWNER(%rdi), %rdi
    call *(%r10, %rax, 8)
    mov %rbp, %rsp
    pop %rbp
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    ret
    .cfi_endproc
    .size call_host, . - call_host

    .macro guest_call name number
    .globl xensim_guest_\name
    .type xensim_guest_\name, @function
xensim_guest_\name:
    mov $\number, %eax
    jmp call_host
    .size xensim_guest_\name, . - xensim_guest_\name
    .endm

    guest_call access 0
    guest_call hypercall 1
    guest_call console 2
    guest_call set_irq 3
    guest_call halt 4
    guest_call pause 5
    guest_call start_vcpu 6
    guest_call clock_ns 7
    guest_call exit 8

    .section .note.GNU-stack, "", @progbits
