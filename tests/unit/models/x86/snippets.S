# Guest code of the software CPU's unit tests: position-dependent values are those of kCodeBase (test_machine.h).
  .section .rodata.xs_snippets, "a", @progbits
  .globl xs_snippets_begin
  .balign 4096
xs_snippets_begin:
  .set BASE, 0x10000
  .macro snippet name
  .balign 16
  .globl \name
\name:
  .endm
#define ADDR(label) (label - xs_snippets_begin + BASE)

# --- a guest that starts as PVH does: 32-bit, flat, no paging; long mode; port, hypercall, interrupt, halt ---
  .code32
snippet pvh_start
  movl $0x100000, %edi
  movl %edi, %cr3
  movl $0x101007, (%edi)
  movl $0x102007, 0x1000(%edi)
  movl $0x000087, 0x2000(%edi)
  movl $0x200087, 0x2008(%edi)
  movl $0x620, %eax
  movl %eax, %cr4
  movl $0xc0000080, %ecx
  rdmsr
  orl $0x901, %eax
  wrmsr
  lgdt ADDR(pvh_gdtr)
  movl %cr0, %eax
  orl $0x80010001, %eax
  movl %eax, %cr0
  ljmp $8, $ADDR(pvh_long)
  .code64
pvh_long:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movq $0x8000, %rsp
  lidt ADDR(pvh_idtr)
  movq $0x3000 + 0x40 * 16, %rdi
  movl $(ADDR(pvh_handler)) & 0xffff, %eax
  orl $0x80000, %eax
  movl %eax, (%rdi)
  movl $((ADDR(pvh_handler)) & 0xffff0000) | 0x8e00, 4(%rdi)
  movl $0, 8(%rdi)
  movb $'A', %al
  outb %al, $0xe9
  movabsq $0x123456789abcdef0, %rax
  vmmcall
  movq %rax, %rbx
  xorl %ecx, %ecx
  sti
1:
  hlt
  incl %ecx
  cmpl $3, %ecx
  jne 1b
  int $0x40
  movb $'Z', %al
  outb %al, $0xe9
  cli
  hlt
pvh_handler:
  incq %r15
  iretq
  .balign 8
pvh_gdt:
  .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
pvh_gdtr:
  .word 23
  .long ADDR(pvh_gdt)
pvh_idtr:
  .word 0xfff
  .quad 0x3000

  .globl xs_snippets_end
xs_snippets_end:
  .section .note.GNU-stack, "", @progbits
