/* A ring-3 program: it makes system calls by SYSCALL and INT 0x80, and faults in each way that the kernel must see.
 * Expected: each exception with its error code, from ring 3. 64-bit, ELF only, 1 vCPU. */
#include "xs.h"

#define USER_BASE 0x200000000ull /* 8 GiB: outside the kit's identity map */
#define USER_CODE USER_BASE
#define USER_STACK (USER_BASE + 0x2000) /* its page's end */

enum { CALL_PRINT, CALL_EXPECT_FAULT, CALL_EXIT };

static uint64_t user_pd[512] XS_PAGE_ALIGNED, user_pt[512] XS_PAGE_ALIGNED;
static unsigned char user_code[XS_PAGE] XS_PAGE_ALIGNED, user_stack[XS_PAGE] XS_PAGE_ALIGNED;
extern uint64_t xs_pdpt[512];
extern const unsigned char user_program[], user_program_end[], syscall_entry[];
static const char* const names[] = {"SYSCALL", "INT 0x80"};

/* What user_program asks for: rax = what, rdi = argument, rsi = where to go on after the next fault. Called on ring 0's stack. */
static uint64_t resume_at;

__attribute__((used)) uint64_t user_call(uint64_t what, uint64_t argument, uint64_t way) {
  if (what == CALL_PRINT) xs_printf("call %lu by %s\n", argument, names[way]);
  if (what == CALL_EXPECT_FAULT) resume_at = argument;
  if (what == CALL_EXIT) xs_success();
  return argument + 1;
}

static void on_int80(struct xs_regs* regs) {
  XS_CHECK((regs->cs & 3) == 3);
  regs->rax = user_call(regs->rax, regs->rdi, 1);
}

static void on_fault(struct xs_regs* regs) {
  static const char* const exceptions[32] = {[0] = "#DE", [6] = "#UD", [13] = "#GP", [14] = "#PF"};
  xs_printf("%s from ring %u, ", exceptions[regs->vector], (unsigned)regs->cs & 3);
  /* The gate's index in a code that names the IDT: real processors count 8 bytes a vector (Intel SDM volume 2, INT n), QEMU's TCG
   * in long mode 16. */
  if (regs->vector == 13 && (regs->error & 2)) {
    xs_printf("error code of the IDT, external: %lu", (unsigned long)regs->error & 1);
    xs_printf("\n~ error code 0x%lx", (unsigned long)regs->error);
  } else {
    xs_printf("error code 0x%lx", (unsigned long)regs->error);
  }
  if (regs->vector == 14) xs_printf(", address 0x%lx", (unsigned long)xs_read_cr2());
  xs_printf("\n");
  regs->rip = resume_at;
}

/* SYSCALL leaves the user's stack: change it by hand, for one vCPU. */
__asm__(
    ".pushsection .text\n"
    "syscall_entry:\n"
    "  mov %rsp, user_rsp(%rip)\n"
    "  lea xs_stacks + 0x6000(%rip), %rsp\n"
    "  push %rcx\n"
    "  push %r11\n"
    "  mov %rdi, %rsi\n"
    "  mov %rax, %rdi\n"
    "  xor %edx, %edx\n"
    "  call user_call\n"
    "  pop %r11\n"
    "  pop %rcx\n"
    "  mov user_rsp(%rip), %rsp\n"
    "  sysretq\n"
    ".popsection\n"
    ".pushsection .bss\n"
    ".balign 8\n"
    "user_rsp: .skip 8\n"
    ".popsection\n");

#define EXPECT_FAULT(label, faulting) \
  "  lea " label "(%rip), %rdi\n"     \
  "  mov $1, %eax\n"                  \
  "  syscall\n" faulting "\n" label ":\n"

__asm__(
    ".pushsection .rodata\n"
    "user_program:\n"
    "  mov $41, %edi\n"
    "  xor %eax, %eax\n"
    "  syscall\n"
    "  mov %rax, %rdi\n" /* 42 came back */
    "  xor %eax, %eax\n"
    "  int $0x80\n"
    "  mov %rax, %rdi\n" /* 43 */
    "  xor %eax, %eax\n"
    "  syscall\n"
    EXPECT_FAULT("user_resume_11", "  movb $0, 0x1000")              /* the kernel's: present, write, user: 7 */
    EXPECT_FAULT("user_resume_12", "  mov 0x1000, %al")              /* present, user: 5 */
    EXPECT_FAULT("user_resume_13", "  mov $0x200100000, %rax\n  mov (%rax), %al") /* not present, user: 4 */
    EXPECT_FAULT("user_resume_14", "  mov $0x200000000, %rax\n  movb $0, (%rax)") /* its own code, read-only: 7 */
    EXPECT_FAULT("user_resume_15", "  cli")
    EXPECT_FAULT("user_resume_16", "  hlt")
    EXPECT_FAULT("user_resume_17", "  int $0x81")                    /* a gate of ring 0: #GP, its number */
    EXPECT_FAULT("user_resume_18", "  mov $0x1003, %eax\n  mov %eax, %es")              /* past the GDT */
    EXPECT_FAULT("user_resume_19", "  ud2")
    EXPECT_FAULT("user_resume_20", "  xor %edx, %edx\n  xor %ecx, %ecx\n  div %ecx")
    EXPECT_FAULT("user_resume_21", "  mov $0x1000000000000, %rax\n  mov (%rax), %al") /* not canonical */
    "  mov $2, %eax\n"
    "  syscall\n"
    "user_program_end:\n"
    ".popsection\n");

static void map_user(void) {
  memcpy(user_code, user_program, (size_t)(user_program_end - user_program));
  user_pt[0] = xs_gpa(user_code) | 5;
  user_pt[1] = xs_gpa(user_stack) | 7;
  user_pd[0] = xs_gpa(user_pt) | 7;
  xs_pdpt[8] = xs_gpa(user_pd) | 7;
}

void xs_main(void) {
  map_user();
  xs_wrmsr(0xc0000081, (uint64_t)XS_USER_CS32 << 48 | (uint64_t)XS_KERNEL_CS64 << 32); /* STAR */
  xs_wrmsr(0xc0000082, (uintptr_t)syscall_entry);                                      /* LSTAR */
  xs_wrmsr(0xc0000084, 0x700);                                                         /* FMASK: IF, DF, TF */
  xs_on_vector(0x80, on_int80);
  xs_allow_user_int(0x80);
  static const unsigned char faults[] = {0, 6, 13, 14};
  for (unsigned i = 0; i < sizeof faults; i++) xs_on_vector(faults[i], on_fault);
  xs_printf("to ring 3\n");
  __asm__ volatile("push %0; push %1; push $2; push %2; push %3; iretq"
                   :
                   : "r"((uint64_t)XS_USER_DS | 3), "r"(USER_STACK), "r"((uint64_t)XS_USER_CS64 | 3), "r"(USER_CODE)
                   : "memory");
  __builtin_unreachable();
}
