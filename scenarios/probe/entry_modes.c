/* Row A1: who may call: from real mode, 16- and 32-bit protected mode, compatibility mode, rings 1 and 3, and vm86. What a call's
 * pointers are there, and which layout of shared_info it latches. ELF only, 1 vCPU. */
#include "probe.h"

/* Code and data in the first 64 KiB, which every mode reaches. */
#define LOW_CODE 0x8000
#define LOW_CALL 0x9000
#define LOW_ARGUMENT 0x9800
#define LEAVE_VECTOR 0x81
#define NO_RAM 0xfff00000u /* a frame that no guest has */

enum mode { PAGED, UNPAGED, PROTECTED16, REAL, REAL_ODD_CS, RING1, RING3, RING3_LONG, VM86 };
static const char* const names[] = {"32-bit, paging", "32-bit, no paging", "16-bit", "real mode", "real mode, CS ends in 3",
                                    "ring 1", "ring 3",
                                    "ring 3, 64-bit", "vm86"};

/* A call's registers, in the order of the 32-bit convention; `nr` all ones is a WRMSR of ecx, eax, edx. */
struct low_call {
  uint32_t nr, ebx, ecx, edx, esi, edi;
  uint32_t result, mode;
};

extern const unsigned char low_code[], low_code_end[], low_vmcall32[], low_vmcall16[], low_leave[];
#ifdef __x86_64__
extern const unsigned char low_vmcall64[];
#endif
extern unsigned char xs_hypercall_page[];
extern uint64_t xs_gdt[];
void low_enter(void);
uint32_t low_cr0;
unsigned long low_stack;

/* The offsets are struct low_call's, the selectors those that map_low sets. */
#define DO_CALL(width)                 \
  "  mov 0x9000, %eax\n"               \
  "  mov 0x9004, %ebx\n"               \
  "  mov 0x9008, %ecx\n"               \
  "  mov 0x900c, %edx\n"               \
  "  mov 0x9010, %esi\n"               \
  "  mov 0x9014, %edi\n"               \
  "  cmp $-1, %eax\n"                  \
  "  je 1f\n"                          \
  "low_vmcall" width ":\n"             \
  "  vmcall\n"                         \
  "  mov %eax, 0x9018\n"               \
  "  ret\n"                            \
  "1: mov %ebx, %eax\n"                \
  "  wrmsr\n"                          \
  "  movl $0, 0x9018\n"                \
  "  ret\n"

#define LOW(label) "(" label " - low_code + 0x8000)"

__asm__(
    ".pushsection .text\n"
#ifdef __x86_64__
    "low_enter:\n"
    "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, low_stack\n"
    "  pushq $0x08\n  pushq $0x8000\n  lretq\n"
    "low_leave:\n"
    "  mov $0x18, %eax\n  mov %eax, %ss\n  mov %eax, %ds\n  mov %eax, %es\n"
    "  mov low_stack, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
    "  ret\n"
#else
    "low_enter:\n"
    "  push %ebx\n  push %ebp\n  push %esi\n  push %edi\n"
    "  mov %esp, low_stack\n"
    "  mov $0x8000, %eax\n  jmp *%eax\n"
    "low_leave:\n"
    "  mov $0x18, %eax\n  mov %eax, %ss\n  mov %eax, %ds\n  mov %eax, %es\n"
    "  mov low_stack, %esp\n"
    "  pop %edi\n  pop %esi\n  pop %ebp\n  pop %ebx\n"
    "  ret\n"
#endif
    ".popsection\n"

    /* Runs at LOW_CODE. */
    ".pushsection .rodata\n"
    ".code32\n"
    "low_code:\n"
    "  mov 0x901c, %eax\n"
    "  cmp $0, %eax\n  je low_paged\n"
    "  cmp $5, %eax\n  je low_ring1\n"
    "  cmp $6, %eax\n  je low_ring3\n"
    "  cmp $7, %eax\n  je low_ring3_long\n"
    "  cmp $8, %eax\n  je low_vm86\n"
    "  mov %cr0, %eax\n  mov %eax, low_cr0\n  and $0x7fffffff, %eax\n  mov %eax, %cr0\n"
    "  cmpl $1, 0x901c\n  jne 2f\n"
    "  call low_do32\n  jmp low_repage\n"
    "2: ljmp $0x48, $(low_protected16 - low_code)\n"
    ".code16\n"
    "low_protected16:\n"
    "  mov $0x50, %ax\n  mov %ax, %ds\n  mov %ax, %es\n  mov %ax, %ss\n"
    "  mov $0x9f00, %esp\n"
    "  cmpl $2, 0x901c\n  jne 3f\n"
    "  call low_do16\n  jmp low_back\n"
    "3: mov %cr0, %eax\n  and $0xfffffffe, %eax\n  mov %eax, %cr0\n"
    "  cmpl $3, 0x901c\n  jne 4f\n"
    "  ljmp $0x800, $(low_real - low_code)\n"
    "4: ljmp $0x7ff, $(low_real - low_code + 0x10)\n"
    "low_real:\n"
    "  xor %ax, %ax\n  mov %ax, %ds\n  mov %ax, %es\n  mov %ax, %ss\n"
    "  call low_do16\n"
    "  mov %cr0, %eax\n  or $1, %al\n  mov %eax, %cr0\n"
    "low_back: ljmpl $0x08, $" LOW("low_back32") "\n"
    "low_user16:\n"
    "  call low_do16\n  int $0x81\n"
    "low_do16:\n" DO_CALL("16")
    ".code32\n"
    "low_back32:\n"
    "  mov $0x18, %eax\n  mov %eax, %ds\n  mov %eax, %es\n  mov %eax, %ss\n"
    "low_repage:\n"
    "  mov low_cr0, %eax\n  mov %eax, %cr0\n"
    "  jmp low_out\n"
    "low_paged:\n"
    "  call low_do32\n"
    "low_out:\n"
#ifdef __x86_64__
    "  ljmp $0x10, $low_leave\n"
#else
    "  ljmp $0x08, $low_leave\n"
#endif
    "low_ring1:\n"
    "  mov $0x61, %eax\n  mov %eax, %ds\n  mov %eax, %es\n"
    "  push $0x61\n  push $0x9f00\n  push $2\n  push $0x59\n  push $" LOW("low_user32") "\n  iret\n"
    "low_ring3:\n"
    "  mov $0x2b, %eax\n  mov %eax, %ds\n  mov %eax, %es\n"
    "  push $0x2b\n  push $0x9f00\n  push $2\n  push $0x23\n  push $" LOW("low_user32") "\n  iret\n"
    "low_ring3_long:\n"
#ifdef __x86_64__
    "  push $0x2b\n  push $0x9f00\n  push $2\n  push $0x33\n  push $" LOW("low_user64") "\n  iret\n"
    ".code64\n"
    "low_user64:\n" /* the same registers by their place in the call, without the WRMSR */
    "  mov 0x9000, %eax\n  mov 0x9004, %edi\n  mov 0x9008, %esi\n  mov 0x900c, %edx\n"
    "low_vmcall64:\n"
    "  vmcall\n  mov %eax, 0x9018\n  int $0x81\n"
    ".code32\n"
#endif
    "low_vm86:\n"
    "  push $0\n  push $0\n  push $0\n  push $0\n  push $0\n  push $0x9f00\n"
    "  push $0x23002\n  push $0x800\n  push $(low_user16 - low_code)\n  iret\n" /* IOPL 3: INT n comes to the gate */
    "low_user32:\n"
    "  call low_do32\n  int $0x81\n"
    "low_do32:\n" DO_CALL("32")
    "low_code_end:\n"
#ifdef __x86_64__
    ".code64\n"
#endif
    ".popsection\n");

static volatile struct low_call* the_call(void) {
  uintptr_t at = LOW_CALL;
  __asm__("" : "+r"(at));
  return (volatile struct low_call*)at;
}
static void* argument(void) {
  uintptr_t at = LOW_ARGUMENT;
  __asm__("" : "+r"(at));
  return (void*)at;
}

/* A way out of the outer rings: a gate that any ring may take. */
static void set_gate(void) {
  struct {
    uint16_t limit;
    uintptr_t base;
  } __attribute__((packed)) idt;
  __asm__ volatile("sidt %0" : "=m"(idt));
  uintptr_t to = (uintptr_t)low_leave;
#ifdef __x86_64__
  uint32_t* gate = (uint32_t*)(idt.base + LEAVE_VECTOR * 16);
  gate[0] = XS_KERNEL_CS64 << 16 | (to & 0xffff);
#else
  uint32_t* gate = (uint32_t*)(idt.base + LEAVE_VECTOR * 8);
  gate[0] = XS_KERNEL_CS32 << 16 | (to & 0xffff);
#endif
  gate[1] = (to & 0xffff0000) | 0xee00;
}

static void map_low(void) {
  memcpy((void*)(uintptr_t)LOW_CODE, low_code, (size_t)(low_code_end - low_code));
  /* VMCALL or VMMCALL: the hypercall page knows. */
  *(unsigned char*)(LOW_CODE + (low_vmcall32 - low_code) + 2) = xs_hypercall_page[7];
  *(unsigned char*)(LOW_CODE + (low_vmcall16 - low_code) + 2) = xs_hypercall_page[7];
#ifdef __x86_64__
  *(unsigned char*)(LOW_CODE + (low_vmcall64 - low_code) + 2) = xs_hypercall_page[7];
#endif
  /* The descriptors of vCPUs that this program has not. */
  xs_gdt[9] = 0x00009b008000ffff;  /* 0x48: code, 16-bit, at LOW_CODE */
  xs_gdt[10] = 0x000093000000ffff; /* 0x50: data, 16-bit, at 0 */
  xs_gdt[11] = 0x00cfbb000000ffff; /* 0x58: ring 1's code */
  xs_gdt[12] = 0x00cfb3000000ffff; /* 0x60: ring 1's data */
#ifdef __x86_64__
  extern uint64_t xs_pdpt[512], xs_page_directories[4 * 512], xs_page_table[512];
  xs_pdpt[0] |= 4;
  xs_page_directories[0] |= 4;
  xs_page_table[LOW_CODE >> 12] = LOW_CODE | 7;
  xs_page_table[LOW_CALL >> 12] = LOW_CALL | 7;
#else
  extern uint32_t xs_pml4[1024];
  xs_pml4[0] |= 4;
#endif
  unsigned long cr3;
  __asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
  set_gate();
}

static long call(enum mode mode, uint32_t nr, uint32_t a0, uint32_t a1) {
  volatile struct low_call* c = the_call();
  c->nr = nr;
  c->ebx = a0;
  c->ecx = a1;
  c->edx = c->esi = c->edi = 0;
  c->mode = mode;
  c->result = 0x77777777;
  __asm__ volatile("" : : : "memory");
  low_enter();
  __asm__ volatile("" : : : "memory");
  return (int32_t)c->result;
}

/* The page as bytes: its struct is shorter in 32-bit builds. */
static volatile unsigned char* shared_page(void) {
  uintptr_t page_at = (uintptr_t)&xs_shared_info;
  __asm__("" : "+r"(page_at));
  return (volatile unsigned char*)page_at;
}

static evtchn_port_t port; /* above 40: its bit of the selector tells 32-bit words from those of 64 */

static unsigned layout(void) {
  volatile unsigned char* info = (volatile unsigned char*)xs_vcpu_info(0);
  volatile uint32_t *narrow = (volatile uint32_t*)(info + 4), *wide = (volatile uint32_t*)(info + 8);
  narrow[0] = wide[0] = wide[1] = 0;
  shared_page()[0x800 + port / 8] = 0;
  xs_send(port);
  unsigned bits = narrow[0] ? 32 : wide[0] || wide[1] ? 64 : 0;
  narrow[0] = wide[0] = wide[1] = 0;
  shared_page()[0x800 + port / 8] = 0;
  xs_vcpu_info(0)->evtchn_upcall_pending = 0;
  return bits;
}

static void ask(enum mode mode) {
  const char* name = names[mode];
  uint32_t* words = argument();
  SHOW_AS(call(mode, __HYPERVISOR_xen_version, XENVER_version, 0), "%s: xen_version", name);
  SHOW_AS(call(mode, 63, 0, 0), "%s: hypercall 63", name);
  words[0] = 0;
  words[1] = 0xa5a5a5a5;
  SHOW_AS(call(mode, __HYPERVISOR_xen_version, XENVER_get_features, LOW_ARGUMENT), "%s: get_features", name);
  xs_printf("%s: features %s\n", name, words[1] == 0xa5a5a5a5 ? "not written" : "written");
  words[0] = 0xffff;
  SHOW_AS(call(mode, __HYPERVISOR_event_channel_op, EVTCHNOP_close, LOW_ARGUMENT), "%s: close 65535", name);
  SHOW_AS(call(mode, __HYPERVISOR_event_channel_op, EVTCHNOP_close, NO_RAM), "%s: close, no such memory", name);
  SHOW_AS(call(mode, __HYPERVISOR_vcpu_op, VCPUOP_is_up, 0), "%s: is_up", name);
  SHOW_AS(call(mode, __HYPERVISOR_multicall, LOW_ARGUMENT, 0), "%s: multicall of none", name);
}

static void latches(enum mode mode) {
  struct xen_hvm_param param = {.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = 2ull << 56 | XS_UPCALL_VECTOR};
  memcpy(argument(), &param, sizeof param);
  SHOW_AS(call(mode, __HYPERVISOR_hvm_op, HVMOP_set_param, LOW_ARGUMENT), "%s: callback", names[mode]);
  xs_printf("%s: layout of %u bits\n", names[mode], layout());
  xs_events_init();
  if (mode > REAL_ODD_CS) return;
  call(mode, ~0u, (uint32_t)xs_gpa(xs_hypercall_page), xs_cpuid(xs_cpuid_base + 2, 0).ebx);
  xs_printf("%s: hypercall page set, layout of %u bits\n", names[mode], layout());
  xs_events_init();
}

void xs_main(void) {
  do XS_CHECK(xs_bind_ipi(0, &port) == 0);
  while (port < 40);
  map_low();
  xs_printf("layout of %u bits\n", layout());
  for (unsigned mode = PAGED; mode <= VM86; mode++) {
    if (mode == (sizeof(long) == 8 ? VM86 : RING3_LONG)) continue; /* long mode has no vm86 */
    ask(mode);
    latches(mode);
  }
  xs_success();
}
