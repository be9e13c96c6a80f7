// The instructions that the tests of the software CPU execute.
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


# --- accounting: a program of everything that makes counting hard; sums end in memory at 0x200000 ---
  .code64
snippet mixed_program
  movl $5, %ebp
1:
  movq $0x200000, %rdi
  movl $0x41, %eax
  movl $7, %ecx
  rep stosb
  xorl %ecx, %ecx
  rep stosb
  movq $0x200000, %rsi
  movq $0x200100, %rdi
  movl $3, %ecx
  rep movsq
  movq $0x200000, %rdi
  movl $20, %ecx
  movb $0, %al
  repne scasb
  pushfq
  popq %rax
  sti
  nop
  movl %ss, %edx
  movl %edx, %ss
  incq %r8
  movl $3, %eax
  outb %al, $0x80
  inb $0x81, %al
  addq %rax, %r9
  rdtsc
  shlq $32, %rdx
  orq %rdx, %rax
  addq %rax, %r10
  pause
  movl $7, %eax
  xorl %ecx, %ecx
  cpuid
  addq %rbx, %r11
  int $0x50
  vmcall
  ud2
  movq 0x300000, %rax
  addq %rax, %r12
  call 3f
  cli
  decl %ebp
  jnz 1b
  hlt
3:
  cmpl $2, %ebp
  je 4f
  ret
4:
  movw %bp, 0x200200
  ret
snippet mixed_handler
  incq %r15
  iretq
snippet skip_ud2_handler
  incq %r14
  addq $2, (%rsp)
  iretq

snippet count_loop
  movl $1000000, %ecx
1:
  addq $3, %rax
  xorq %rcx, %rbx
  decq %rcx
  jnz 1b
  hlt

snippet flags_kept
  cmpq %rsi, %rdi
  nop
  setc %al
  setz %bl
  sets %cl
  seto %dl
  jc 1f
  incq %r8
1:
  hlt

snippet rep_only
  rep stosb
  hlt

snippet out_nops
  outb %al, $0x80
  nop
  nop
  nop
  hlt

snippet mmio_nops
  movl %eax, 0x800000
  nop
  nop
  incq %rbx
  jmp 1f
1:
  movl 0x800004, %ecx
  movq 0x800008, %rdx
  hlt

# --- exceptions: one instruction each, then HLT ---
snippet do_div
  xorl %ecx, %ecx
  divl %ecx
  hlt
snippet do_ud2
  nop
  ud2
  hlt
snippet do_int3
  int3
  hlt
snippet do_int
  nop
  int $0x50
  hlt
snippet do_gp_ds
  movl $0x4448, %eax
  movl %eax, %ds
  hlt
snippet do_gp_noncanonical
  movabsq $0x8000000000000000, %rax
  movq (%rax), %rbx
  hlt
snippet do_pf_write
  movq %rax, 0x201000
  hlt
snippet do_pf_read
  movq 0x201000, %rax
  hlt
snippet do_pf_fetch
  movl $0x201000, %eax
  jmp *%rax
snippet do_cli
  cli
  hlt
snippet do_hlt
  hlt
snippet do_tf
  pushfq
  orq $0x100, (%rsp)
  popfq
  nop
  hlt
snippet do_icebp
  .byte 0xf1
  hlt
snippet do_jump
  jmp *%rax
snippet plain_iret
  iretq
snippet pop_code_iret
  addq $8, %rsp
  iretq
snippet halt_handler
  hlt
snippet do_nothing
  nop
  nop
  nop
  nop
  hlt

  .code32
snippet do_int_32
  nop
  int $0x50
  hlt
snippet do_into
  movb $0x7f, %al
  addb $1, %al
  into
  hlt
snippet do_gp_ds_32
  movl $0x4448, %eax
  movl %eax, %ds
  hlt
snippet halt_32
  hlt
snippet do_bound_ss
  pushl %eax
  hlt
snippet iret_to_user32
  pushl $0x23
  pushl $0x9000
  pushl $0x202
  pushl $0x33
  pushl $ADDR(user32_body)
  iretl
user32_body:
  int $0x50
snippet iret_to_vm86
  pushl $0
  pushl $0
  pushl $0x2000
  pushl $0x1000
  pushl $0
  pushl $0x7000
  pushl $0x23002
  pushl $0x1000
  pushl $(vm86_body - xs_snippets_begin)
  iretl
  .code16
vm86_body:
  movw %cs, %ax
  int $0x50
  .code32

  .code16
snippet real_int
  movw $0x1234, %ax
  int $0x50
  hlt
snippet real_div
  xorw %cx, %cx
  divw %cx
  hlt
snippet real_handler
  incw %bx
  iretw
snippet real_loop
  movw $0x200, %cx
1:
  addw $3, %ax
  loop 1b
  hlt
snippet real_to_protected
  cli
  lgdtl %cs:(real_gdtr - xs_snippets_begin)
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $0x18, $ADDR(real_in_32)
real_gdtr:
  .word 0x7f
  .long 0x2000
  .code32
real_in_32:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %ss
  movl $0xcafe, %ebx
  ljmpl $0x48, $(in_16 - xs_snippets_begin)
  .code16
in_16:
  movw $0xbeef, %si
  hlt

# --- system calls ---
  .code64
snippet do_syscall
  movl $0x1111, %eax
  syscall
  incq %rbx
  hlt
snippet syscall_entry
  movq %rsp, %r13
  movl $0x2222, %eax
  sysretq
snippet do_sysenter
  sysenter
snippet sysenter_entry
  movl $0x3333, %eax
  hlt

# --- intercepted instructions ---
snippet do_cpuid
  cpuid
  hlt
snippet do_rdmsr
  rdmsr
  hlt
snippet do_wrmsr
  wrmsr
  hlt
snippet do_rdtsc
  nop
  rdtsc
  hlt
snippet do_rdtscp
  rdtscp
  hlt
snippet do_rdpmc
  rdpmc
  hlt
snippet do_rdrand
  nop
  rdrand %eax
  hlt
snippet do_rdseed
  rdseed %rax
  hlt
snippet do_rdpid
  .byte 0xf3, 0x0f, 0xc7, 0xf8
  hlt
snippet do_xgetbv
  xgetbv
  hlt
snippet do_monitor
  monitor
  hlt
snippet do_mwait
  mwait
  hlt
snippet do_xsave
  xsave 0x200000
  hlt
snippet do_rdpkru
  .byte 0x0f, 0x01, 0xee
  hlt
snippet do_vmrun
  .byte 0x0f, 0x01, 0xd8
  hlt
snippet do_avx
  vaddps %ymm0, %ymm1, %ymm2
  hlt
snippet do_swapgs
  swapgs
  rdgsbase %rax
  hlt
snippet do_pause
  pause
  incq %rax
  pause
  incq %rax
  hlt
snippet do_dr
  movq %rax, %dr0
  movq %rax, %dr7
  movq %dr0, %rbx
  movq %dr7, %rcx
  movq %dr6, %rdx
  nop
  hlt
snippet do_vmcall
  nop
  vmcall
  incq %rbx
  hlt
snippet do_ports
  outb %al, %dx
  outw %ax, %dx
  outl %eax, %dx
  inb %dx, %al
  inw %dx, %ax
  movq $-1, %rax
  inl %dx, %eax
  hlt
snippet do_in8
  inb $0x60, %al
  hlt
snippet do_in32
  inl %dx, %eax
  hlt
snippet do_outsb
  rep outsb
  hlt
snippet do_insl
  rep insl
  hlt
snippet do_insb_down
  std
  insb
  hlt
snippet features
  popcntq %rax, %rbx
  crc32l %eax, %ecx
  pshufb %xmm0, %xmm1
  pclmulqdq $0, %xmm0, %xmm1
  aesenc %xmm0, %xmm1
  movbeq 0x200000, %rdx
  andnq %rax, %rbx, %rcx
  pdepq %rax, %rbx, %rcx
  lzcntq %rax, %rdx
  tzcntq %rax, %rdx
  adcxq %rax, %rbx
  cmpxchg16b 0x200000
  fxsave 0x200100
  rdfsbase %rax
  prefetchw 0x200000
  lfence
  mfence
  sfence
  clflush 0x200000
  movnti %rax, 0x200040
  pcmpistri $0, %xmm0, %xmm1
  lahf
  hlt

# --- interrupts ---
snippet irq_program
  nop
  sti
  nop
  nop
  hlt
snippet sti_hlt
  sti
  hlt
  incq %rbx
  hlt
snippet movss_shadow
  movl %ss, %eax
  sti
  nop
  movl %eax, %ss
  movq $0x7f00, %rsp
  nop
  hlt
# --- IF is set after a while, by each instruction that can ---
.macro a_while
  movl $100, %ecx
1: decl %ecx
  jnz 1b
  jmp 2f
2:
.endm
# RAX goes to RDI and behind it, in all widths; each store but the first finds the page in the TLB.
snippet store_often
  movq %rax, (%rdi)
  movq %rax, 8(%rdi)
  movl %eax, 16(%rdi)
  movw %ax, 20(%rdi)
  movb %al, 22(%rdi)
  movq %rax, 23(%rdi)
  hlt
snippet reload_cr3
  movq %cr3, %rax
  movq %rax, %cr3
  hlt
snippet remap
  movq (%r8), %r10
  movq (%rsi), %rax
  movq %rbx, (%rdx)
  invlpg (%r8)
  movq (%rsi), %rcx
  hlt
snippet remap_all
  movq (%rsi), %rax
  movq %rbx, (%rdx)
  movq %cr3, %r10
  movq %r10, %cr3
  movq (%rsi), %rcx
  hlt
snippet call_often
1: movq %r8, (%rdx)
  movq %cr3, %rsi
  movq %rsi, %cr3
  callq *%rax
  addq %rbx, %r10
  xchgq %r8, %r9
  decl %ecx
  jnz 1b
  hlt
snippet touch_pages
1: movb (%rsi), %al
  addq $4096, %rsi
  decl %ecx
  jnz 1b
  hlt
snippet late_sti
  a_while
  sti
  nop
  nop
  hlt
snippet late_popf
  pushq $0x202
  a_while
  popfq
  nop
  hlt
snippet late_iret
  movl %ss, %eax
  movq %rsp, %rdx
  pushq %rax
  pushq %rdx
  pushq $0x202
  movl %cs, %eax
  pushq %rax
  leaq 3f(%rip), %rax
  pushq %rax
  a_while
  iretq
3: nop
  hlt
snippet late_sysret
  movl $0xc0000080, %ecx
  rdmsr
  orl $1, %eax
  wrmsr
  movl $0xc0000081, %ecx
  xorl %eax, %eax
  movl $0x1b0008, %edx
  wrmsr
  movl $0x202, %r11d
  a_while
  leaq 3f(%rip), %rcx
  sysretq
3: nop
  hlt
snippet popf_program
  pushq $0x202
  popfq
  nop
  hlt
snippet store_rip_handler
  movq (%rsp), %r12
  incq %r15
  iretq

# Each result is added up in RBX; RSI, RDI and RCX are what they work on.
snippet vex_arithmetic
  shlxq %rcx, %rsi, %rax
  addq %rax, %rbx
  sarxl %ecx, %edi, %eax
  addq %rax, %rbx
  shrxq %rcx, %rdi, %rax
  addq %rax, %rbx
  rorxq $13, %rsi, %rax
  addq %rax, %rbx
  movq %rsi, %rdx
  mulxq %rdi, %rax, %r8
  addq %rax, %rbx
  addq %r8, %rbx
  pdepq %rdi, %rsi, %rax
  addq %rax, %rbx
  pextq %rdi, %rsi, %rax
  addq %rax, %rbx
  bzhiq %rcx, %rsi, %rax
  addq %rax, %rbx
  andnq %rdi, %rsi, %rax
  addq %rax, %rbx
  bextrq %rcx, %rsi, %rax
  addq %rax, %rbx
  blsiq %rsi, %rax
  addq %rax, %rbx
  blsrq %rsi, %rax
  addq %rax, %rbx
  blsmskq %rsi, %rax
  addq %rax, %rbx
  tzcntq %rsi, %rax
  addq %rax, %rbx
  lzcntq %rdi, %rax
  addq %rax, %rbx
  adcxq %rsi, %rbx
  adoxq %rdi, %rbx
  crc32w %si, %eax
  addq %rax, %rbx
  crc32q %rdi, %rax
  addq %rax, %rbx
  hlt

# --- code that changes ---
snippet smc_caller
  callq *%rax
  movl %ebx, %r8d
  movb $0x22, 1(%rdx)
  callq *%rax
  hlt
# The same, with a store through the second mapping while the page holds no code yet.
snippet smc_writer
  movb $0xbb, (%rdx)
  callq *%rax
  movl %ebx, %r8d
  movb $0x22, 1(%rdx)
  callq *%rax
  hlt
snippet smc_self
  leaq 1f + 1(%rip), %rdx
  movb $0x55, (%rdx)
1:
  movl $0x11, %ebx
  hlt
snippet smc_body
  movl $0x11, %ebx
  ret
snippet do_load
  movq (%rsi), %rax
  movq %rax, (%rdi)
  hlt
snippet points
  movl $3, %ecx
1:
  incq %rax
  .globl points_a
points_a:
  incq %rbx
  decl %ecx
  jnz 1b
  .globl points_b
points_b:
  hlt
# RDI: where results go; RSP: a stack. Arithmetic of every kind with state that lasts: x87 stack, control words,
# rounding, direction flag, carry.
snippet fpu_mix
  fninit
  fldpi
  fldl2e
  fmul %st(1), %st
  pushq $0x5f80
  ldmxcsr (%rsp)
  pushq $0x0f7f
  fldcw (%rsp)
  movl $20, %ecx
  cvtsi2sdl %ecx, %xmm1
  movq %rsp, %rax
  movq %rax, %xmm9
  std
1:
  fadd %st(1), %st
  fsqrt
  sqrtsd %xmm1, %xmm2
  addsd %xmm2, %xmm1
  pxor %xmm1, %xmm9
  cmpl $10, %ecx
  adcq %rax, %rbx
  decl %ecx
  jnz 1b
  pushfq
  popq (%rdi)
  cld
  movdqu %xmm1, 16(%rdi)
  movdqu %xmm9, 32(%rdi)
  stmxcsr 48(%rdi)
  fnstenv 64(%rdi)
  fstpt 128(%rdi)
  fstpt 144(%rdi)
  hlt

# --- NMIs: EDI counts those taken, ESI the handlers that came to their end; the port write is where the test raises more ---
  .macro nmi_snippets suffix, cs
snippet nmi_handler_\suffix
  incl %edi
  outb %al, $0x80
  incl %esi
  iret\suffix
snippet nmi_trapping_\suffix
  incl %edi
  outb %al, $0x80
  int3
  incl %esi
  iret\suffix
snippet nmi_halting_\suffix
  incl %edi
  outb %al, $0x80
  hlt
  incl %esi
  iret\suffix
snippet nmi_faulting_\suffix
  incl %edi
  outb %al, $0x80
  movw $0xfff0, \cs
  incl %esi
  iret\suffix
snippet nmi_return_\suffix
  iret\suffix
snippet nmi_forward_\suffix
  incl %ebp
  hlt
  .endm
  .code64
  nmi_snippets q, 8(%rsp)
  .code32
  nmi_snippets l, 4(%esp)
snippet count_loop_32
  movl $1000000, %ecx
1:
  addl $3, %eax
  xorl %ecx, %ebx
  decl %ecx
  jnz 1b
  hlt
  .code64

# --- control registers ---
snippet do_set_cr0
  movq %rax, %cr0
  hlt
snippet do_set_cr3
  movq %rax, %cr3
  hlt
snippet do_set_cr4
  movq %rax, %cr4
  hlt
snippet do_set_cr8
  movq %rax, %cr8
  movq %cr8, %r9
  hlt
snippet do_clts
  clts
  movq %cr0, %rbx
  smsw %ecx
  hlt
snippet do_lmsw
  lmsw %ax
  movq %cr0, %rbx
  lmsw (%rdi)
  movq %cr0, %rcx
  hlt
snippet do_prefixed_icebp
  .byte 0x67, 0xf1
  hlt
  .code32
snippet do_set_cr0_32
  movl %eax, %cr0
  movl %cr0, %ebx
  hlt
snippet do_set_cr3_32
  movl %eax, %cr3
  hlt
snippet do_set_cr4_32
  movl %eax, %cr4
  hlt
snippet do_icebp_32
  .byte 0xf1
  hlt
  .code64

# --- debug registers: RAX to DR0, RBX to DR7, ECX to IA32_DEBUGCTL, and on to R13; the handlers leave DR6 in R8 and DR7
# in R9, or note each RIP at R14, and set RF ---
snippet arm_debug
  movq %rax, %dr0
  movq %rdx, %r12
  movl %ecx, %eax
  xorl %edx, %edx
  movl $0x1d9, %ecx
  wrmsr
  movq %rbx, %dr7
  movq %r12, %rdx
  jmp *%r13
snippet debug_halting
  movq %dr6, %r8
  movq %dr7, %r9
  hlt
snippet debug_noting
  pushq %rax
  movq 8(%rsp), %rax
  movq %rax, (%r14)
  addq $8, %r14
  movq %dr6, %r8
  orl $0x10000, 24(%rsp)
  popq %rax
  iretq
snippet watched
  nop
  movq %rax, (%rdi)
  nop
  movq (%rdi), %r10
  nop
  hlt
snippet watched_ss
  movw (%rdi), %ss
  nop
  nop
  hlt
snippet watched_rep
  rep movsb
  nop
  hlt
snippet watched_port
  outb %al, $0x80
  nop
  hlt
snippet step_over_ss
  movl %ss, %edx
  pushfq
  orq $0x100, (%rsp)
  popfq
  nop
  movl %edx, %ss
  nop
  sti
  nop
  pushfq
  andq $~0x100, (%rsp)
  popfq
  nop
  hlt
snippet step_branches
  pushfq
  orq $0x100, (%rsp)
  popfq
  nop
  nop
  jmp 1f
  nop
1:
  nop
  hlt
snippet step_hlt
  pushfq
  orq $0x100, (%rsp)
  popfq
  hlt
snippet read_by_rbp
  nop
  movq (%rbp), %rax
  hlt
snippet read_by_rbp_fs
  nop
  movq %fs:(%rbp), %rax
  hlt
snippet push_rax
  nop
  pushq %rax
  hlt
snippet use_mmx
  nop
  movq %mm0, %mm1
  hlt
snippet use_sse
  nop
  addps %xmm0, %xmm1
  hlt
snippet use_fpu
  nop
  fld1
  hlt

# --- tasks, 32-bit: the second TSS is 0x58 ---
  .code32
snippet int_to_task
  nop
  int $0x50
  movl %eax, %ebx
  hlt
snippet fault_to_task
  movl $0x4448, %eax
  movl %eax, %ds
  hlt
snippet jump_to_task
  ljmp $0x58, $0
  hlt
snippet call_task
  lcall $0x58, $0
  movl %eax, %ebx
  hlt
snippet task_halts
  hlt
snippet task_returns
  incl %edi
  iretl
  jmp task_returns
snippet read_es
  nop
  movl %es:0x201000, %eax
  hlt

# --- real mode ---
  .code16
snippet real_gp
  movl $0x80000000, %eax
  movl %eax, %cr0
  hlt
snippet real_wrap
  movw $0xffff, %ax
  movw %ax, %ds
  movw (0x10), %bx
  xorw %ax, %ax
  movw %ax, %ss
  movw %ax, %sp
  pushw $0x4711
  hlt
snippet real_unreal
  lgdtl %cs:(real_gdtr - xs_snippets_begin)
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  movw $0x10, %bx
  movw %bx, %ds
  andb $0xfe, %al
  movl %eax, %cr0
  movl $0x200000, %esi
  movl (%esi), %ecx
  hlt
  .code64

  .globl xs_snippets_end
xs_snippets_end:
  .section .note.GNU-stack, "", @progbits
