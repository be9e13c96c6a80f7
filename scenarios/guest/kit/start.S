/* PVH entry, the APs' trampoline and the interrupt stubs of the ELF builds, 64- and 32-bit. Entered in 32-bit protected mode without
 * paging, %ebx = physical address of struct hvm_start_info. */

    .file "start.S" /* or the symbol table would have the object's name, a temporary one */

#ifdef __x86_64__
#define WORD .quad
#define REGION_CS 0x10
#else
#define WORD .long
#define REGION_CS 0x08
#endif

#define STACK_SHIFT 16
#define MAX_VCPUS 8
#define KERNEL_DS 0x18
#define NX 0x80000000 /* in the upper half of a page table's entry */

    /* Eight bytes of descriptor: some loaders read a native word of 64 bits whatever the ELF's class. */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long xs_start, 0

    .text
    .code32
    .globl xs_start
    .type xs_start, @function
xs_start:
    cli
    cld
    mov %ebx, xs_start_info
    lgdtl xs_gdt_pointer
    ljmp $0x08, $1f
1:  mov $KERNEL_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $xs_stacks + (1 << STACK_SHIFT), %esp
    call xs_build_page_tables
    xor %ebx, %ebx
    call xs_enable_paging
#ifdef __x86_64__
    ljmp $0x10, $1f
    .code64
1:
#endif
    call xs_boot
    ud2
    .size xs_start, . - xs_start

    .code32
    .type xs_build_page_tables, @function
xs_build_page_tables:
#ifdef __x86_64__
    /* The first 4 GiB, 2 MiB a page, the first of these 4 KiB a page; only the top entry admits ring 3, so that a program may add user
     * pages elsewhere. What is not text is not executable, but for the hypercall page. */
    mov $xs_page_directories, %edi
    mov $0x83, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    movl $NX, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $xs_page_table, %edi
    mov $0x03, %eax
    mov $512, %ecx
1:  mov %eax, (%edi)
    movl $NX, 4(%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b
    movl $xs_page_table + 3, xs_page_directories
    movl $0, xs_page_directories + 4
    mov $xs_image_start, %eax
1:  mov %eax, %edi
    shr $9, %edi
    movl $0, xs_page_table + 4(%edi)
    add $0x1000, %eax
    cmp $xs_text_end, %eax
    jb 1b
    mov $xs_hypercall_page, %edi
    shr $9, %edi
    movl $0, xs_page_table + 4(%edi)
    movl $xs_page_directories + 0x0003, xs_pdpt
    movl $xs_page_directories + 0x1003, xs_pdpt + 8
    movl $xs_page_directories + 0x2003, xs_pdpt + 16
    movl $xs_page_directories + 0x3003, xs_pdpt + 24
    movl $xs_pdpt + 7, xs_pml4
#else
    /* All 4 GiB, 4 MiB a page. */
    mov $xs_pml4, %edi
    mov $0x83, %eax
    mov $1024, %ecx
1:  mov %eax, (%edi)
    add $0x400000, %eax
    add $4, %edi
    loop 1b
#endif
    ret
    .size xs_build_page_tables, . - xs_build_page_tables

    .type xs_enable_paging, @function
xs_enable_paging:
    mov %cr4, %eax
#ifdef __x86_64__
    or $0x20, %eax /* PAE */
#else
    or $0x10, %eax /* PSE */
#endif
    mov %eax, %cr4
    mov $xs_pml4, %eax
    mov %eax, %cr3
#ifdef __x86_64__
    mov $0xc0000080, %ecx /* EFER: long mode, SYSCALL, NX pages */
    rdmsr
    or $0x901, %eax
    wrmsr
#endif
    mov %cr0, %eax
    and $0x9fffffff, %eax /* caches on */
    or $0x80010001, %eax  /* PG, WP, PE */
    mov %eax, %cr0
    ret
    .size xs_enable_paging, . - xs_enable_paging

    /* Copied to XS_TRAMPOLINE; an AP starts there in real mode, at offset 0 of its CS. */
    .code16
    .globl xs_trampoline, xs_trampoline_end
xs_trampoline:
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    lgdtl xs_trampoline_gdt - xs_trampoline
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $0x08, $xs_ap_start
    .balign 4
xs_trampoline_gdt:
    .word xs_gdt_end - xs_gdt - 1
    .long xs_gdt
xs_trampoline_end:

    /* Finds its Xen vCPU id by CPUID, and from that its stack. */
    .code32
    .type xs_ap_start, @function
xs_ap_start:
    mov $KERNEL_DS, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov xs_cpuid_base, %eax
    add $4, %eax
    xor %ecx, %ecx
    cpuid
    cmp $MAX_VCPUS, %ebx
    jae 2f
    lea 1(%ebx), %esp
    shl $STACK_SHIFT, %esp
    add $xs_stacks, %esp
    call xs_enable_paging
#ifdef __x86_64__
    ljmp $0x10, $1f
    .code64
1:  mov %ebx, %edi
    call xs_ap_boot
#else
    push %ebx
    call xs_ap_boot
#endif
2:  cli
    hlt
    jmp 2b
    .size xs_ap_start, . - xs_ap_start

    /* 256 stubs, 16 bytes apart: push an error code where the CPU does not, then the vector. */
    .balign 16
    .globl xs_interrupt_stubs
xs_interrupt_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    push $0
    .endif
    push $vector
    jmp xs_interrupt_common
    .set vector, vector + 1
    .endr

    .type xs_interrupt_common, @function
xs_interrupt_common:
    cld
#ifdef __x86_64__
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call xs_interrupt
    mov %rbp, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq
#else
    pusha
    mov %esp, %ebp
    and $-16, %esp
    sub $12, %esp
    push %ebp
    call xs_interrupt
    mov %ebp, %esp
    popa
    add $8, %esp
    iret
#endif
    .size xs_interrupt_common, . - xs_interrupt_common

    .data
    .balign 16
    .globl xs_gdt
xs_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* 0x08 kernel code, 32-bit */
    .quad 0x00af9b000000ffff /* 0x10 kernel code, 64-bit */
    .quad 0x00cf93000000ffff /* 0x18 kernel data */
    .quad 0x00cffb000000ffff /* 0x20 user code, 32-bit */
    .quad 0x00cff3000000ffff /* 0x28 user data */
    .quad 0x00affb000000ffff /* 0x30 user code, 64-bit */
    .fill 2 * MAX_VCPUS, 8, 0 /* 0x38: a TSS for each vCPU, 16 bytes each */
xs_gdt_end:
    .globl xs_gdt_pointer
xs_gdt_pointer:
    .word xs_gdt_end - xs_gdt - 1
    WORD xs_gdt

    .globl xs_start_info
    .balign 4
xs_start_info:
    .long 0

    .section .bss.pages, "aw", @nobits
    .balign 4096
    .globl xs_pml4, xs_pdpt, xs_page_directories, xs_page_table
xs_pml4: .skip 4096
#ifdef __x86_64__
xs_pdpt: .skip 4096
xs_page_directories: .skip 4 * 4096
xs_page_table: .skip 4096
#endif

    .section .note.GNU-stack, "", @progbits
