/* The local APIC: the modes of IA32_APIC_BASE and what is left of it while it is disabled, priorities by the TPR's page and by CR8, and
 * the timer's counts over changes of its mode (SDM vol. 3, 11.4.3, 11.5.4, 11.8.3, 11.12.5). ELF only, 1 vCPU. */
#include "probe.h"

#define APIC_BASE 0x1bu
#define DEFAULT 0xfee00000ull
#define BSP 0x100ull
#define EXTD 0x400ull
#define ENABLE 0x800ull
#define TSC_DEADLINE 0x6e0u

#define ID 0x20u
#define VERSION 0x30u
#define TPR 0x80u
#define PPR 0xa0u
#define EOI 0xb0u
#define LDR 0xd0u
#define DFR 0xe0u
#define SVR 0xf0u
#define ISR 0x100u
#define IRR 0x200u
#define ESR 0x280u
#define ICR 0x300u
#define LVT_TIMER 0x320u
#define LVT_LINT0 0x350u
#define LVT_ERROR 0x370u
#define INITIAL 0x380u
#define CURRENT 0x390u
#define DIVIDE 0x3e0u

static uint32_t get(unsigned reg) { return *(volatile uint32_t*)((uintptr_t)DEFAULT + reg); }
static void put(unsigned reg, uint32_t value) { *(volatile uint32_t*)((uintptr_t)DEFAULT + reg) = value; }

/* ---- modes ---- */

static void show_base(const char* what) {
  uint64_t base;
  const int faults = probe_rdmsr_faults(APIC_BASE, &base);
  xs_printf("%s: APIC_BASE %s0x%llx, CPUID.1:EDX.APIC %u", what, faults ? "#GP " : "", (unsigned long long)base, xs_cpuid(1, 0).edx >> 9 & 1);
  xs_printf(", id at its page 0x%x, MSR 0x802 %s\n", get(ID), probe_rdmsr_faults(0x802, &base) ? "#GP" : "read");
}
static void set_base(uint64_t value, const char* what) {
  const int faults = probe_wrmsr_faults(APIC_BASE, value);
  xs_printf("%s, 0x%llx %s\n", what, (unsigned long long)value, faults ? "#GP" : "taken");
}
static void show_registers(const char* what) {
  xs_printf("%s: TPR 0x%x, LDR 0x%x, DFR 0x%x, SVR 0x%x, LINT0 0x%x, error 0x%x", what, get(TPR), get(LDR), get(DFR), get(SVR), get(LVT_LINT0), get(LVT_ERROR));
  xs_printf(", timer 0x%x, count 0x%x %s, divide 0x%x\n", get(LVT_TIMER), get(INITIAL), get(CURRENT) ? "running" : "stopped", get(DIVIDE));
}
static void fill_registers(void) {
  put(SVR, 0x1fe), put(TPR, 0x55), put(LDR, 0x04000000), put(DFR, 0x0fffffff), put(LVT_ERROR, 0xfd), put(LVT_LINT0, 0x700);
  put(LVT_TIMER, 0x10040), put(DIVIDE, 0xa), put(INITIAL, 0x7fffffff);
}

static void modes(void) {
  show_base("at the start");
  set_base(DEFAULT | BSP | ENABLE | 1, "reserved bit 0");
  set_base(DEFAULT | BSP | ENABLE | 0x200, "reserved bit 9");
  set_base(DEFAULT | BSP | ENABLE | 1ull << 52, "reserved bit 52");
  set_base(DEFAULT | ENABLE, "without the BSP flag");
  show_base("without the BSP flag");
  set_base(DEFAULT | BSP | ENABLE, "with it");
  set_base(0xfed10000 | BSP | ENABLE, "moved");
  show_base("moved");
  set_base(DEFAULT | BSP | ENABLE, "and back");
  set_base(DEFAULT | BSP | EXTD, "x2APIC without the enable bit");
  show_base("after that");
  fill_registers();
  show_registers("filled");
  set_base(DEFAULT | BSP, "disabled");
  show_base("disabled");
  set_base(DEFAULT | BSP | EXTD, "disabled, x2APIC without the enable bit");
  set_base(DEFAULT | BSP | EXTD | ENABLE, "disabled, to x2APIC");
  set_base(DEFAULT | BSP | ENABLE, "enabled again");
  show_base("enabled again");
  show_registers("enabled again");
}

static void x2apic_modes(void) {
  set_base(DEFAULT | BSP | EXTD | ENABLE, "xAPIC to x2APIC");
  uint64_t base;
  probe_rdmsr_faults(APIC_BASE, &base);
  xs_printf("x2APIC: APIC_BASE 0x%llx\n", (unsigned long long)base);
  set_base(DEFAULT | BSP | ENABLE, "x2APIC to xAPIC");
  set_base(DEFAULT | BSP | EXTD, "x2APIC without the enable bit, from x2APIC");
  set_base(DEFAULT | BSP, "x2APIC to disabled");
  show_base("disabled from x2APIC");
  set_base(DEFAULT | BSP | ENABLE, "enabled again");
  show_base("enabled again");
}

/* ---- priorities ---- */

static volatile unsigned taken[256];
static void on_vector(struct xs_regs* regs) {
  taken[regs->vector & 0xff]++;
  put(EOI, 0);
}
static void show_taken(const char* what, unsigned low, unsigned high) {
  xs_sti();
  __asm__ volatile("nop\n\tnop");
  xs_cli();
  xs_printf("%s: vector %x %u times, %x %u times, IRR %x %x\n", what, low, taken[low], high, taken[high], get(IRR + low / 32 * 16), get(IRR + high / 32 * 16));
}
/* Nothing is left pending in the TPR's own class: QEMU, on which the oracles run, has a nested Xen look for it without end. */
static void priorities(void) {
  xs_on_vector(0x41, on_vector), xs_on_vector(0x61, on_vector);
  put(SVR, 0x1ff);
  put(TPR, 0x50);
  put(ICR, 0x40041), put(ICR, 0x40061); /* to itself */
  show_taken("TPR 0x50", 0x41, 0x61);
  put(TPR, 0x3f);
  show_taken("TPR 0x3f", 0x41, 0x61);
  put(ICR, 0x40003);
  put(ESR, 0);
  xs_printf("IPI of vector 3: ESR 0x%x", get(ESR));
  put(ESR, 0);
  xs_printf(", then 0x%x\n", get(ESR));
  put(TPR, 0x1ff);
  xs_printf("TPR 0x1ff: TPR 0x%x, PPR 0x%x\n", get(TPR), get(PPR));
  put(TPR, 0);
}

#ifdef __x86_64__
static unsigned long cr8(void) {
  unsigned long value;
  __asm__ volatile("mov %%cr8,%0" : "=r"(value));
  return value;
}
static void set_cr8(unsigned long value) { __asm__ volatile("mov %0,%%cr8" : : "r"(value) : "memory"); }
static void by_cr8(void) {
  put(TPR, 0x57);
  xs_printf("TPR 0x57: CR8 0x%lx, PPR 0x%x\n", cr8(), get(PPR));
  set_cr8(9);
  xs_printf("CR8 9: CR8 0x%lx, TPR 0x%x, PPR 0x%x\n", cr8(), get(TPR), get(PPR));
  taken[0x41] = taken[0x61] = 0;
  put(ICR, 0x40041), put(ICR, 0x40061);
  show_taken("CR8 9", 0x41, 0x61);
  put(TPR, 0); /* by its page: QEMU, below the oracles, aborts where a nested CR8 lets an interrupt in */
  show_taken("TPR 0", 0x41, 0x61);
  set_cr8(3);
  xs_printf("CR8 3: TPR 0x%x\n", get(TPR));
  set_cr8(0);
}
#endif

/* ---- the timer ---- */

static void show_timer(const char* what) {
  const uint32_t initial = get(INITIAL), a = get(CURRENT);
  xs_delay(1000);
  const uint32_t b = get(CURRENT);
  xs_printf("%s: initial 0x%x, %s\n", what, initial, a == 0 && b == 0 ? "stopped" : b < a ? "counts" : "stands still");
}
static void counts(void) {
  put(DIVIDE, 0xb);
  put(LVT_TIMER, 0x10040);
  put(INITIAL, 0x7fffffff);
  show_timer("one-shot");
  put(LVT_TIMER, 0x30040);
  show_timer("then periodic");
  put(LVT_TIMER, 0x10040);
  show_timer("then one-shot");
  put(DIVIDE, 0x3);
  show_timer("divided by 16");
  put(INITIAL, 0);
  show_timer("initial count 0");
  put(LVT_TIMER, 0x30040);
  put(INITIAL, 0x7fffffff);
  show_timer("periodic");
  put(INITIAL, 0);
  show_timer("periodic, initial count 0");
  put(DIVIDE, 0xffffffff);
  xs_printf("divide written all ones: 0x%x\n", get(DIVIDE));
  put(LVT_TIMER, 0xffffffff);
  xs_printf("timer written all ones: %s0x%x\n", "", get(LVT_TIMER) & ~0x40000u);
}
static void deadline(void) {
  xs_printf("~TSC deadline announced: %u\n", xs_cpuid(1, 0).ecx >> 24 & 1);
  uint64_t value;
  put(LVT_TIMER, 0x10040), put(DIVIDE, 0xb);
  put(INITIAL, 0x7fffffff);
  const int write_faults = probe_wrmsr_faults(TSC_DEADLINE, xs_rdtsc() + (1ull << 40));
  const int faults = probe_rdmsr_faults(TSC_DEADLINE, &value);
  xs_printf("~one-shot: WRMSR deadline %s, RDMSR %s %s\n", write_faults ? "#GP" : "taken", faults ? "#GP" : "read", value ? "a time" : "0");
  put(LVT_TIMER, 0x50040);
  if (!(get(LVT_TIMER) & 0x40000)) return;
  show_timer("~then TSC deadline");
  put(INITIAL, 0x7fffffff);
  show_timer("~TSC deadline, initial count written");
  probe_wrmsr_faults(TSC_DEADLINE, xs_rdtsc() + (1ull << 40));
  probe_rdmsr_faults(TSC_DEADLINE, &value);
  xs_printf("~TSC deadline: RDMSR %s\n", value ? "a time" : "0");
  put(LVT_TIMER, 0x10040);
  probe_rdmsr_faults(TSC_DEADLINE, &value);
  xs_printf("~one-shot again: RDMSR %s\n", value ? "a time" : "0");
  show_timer("~one-shot again");
}

void xs_main(void) {
  probe_catch_msr_faults();
  modes();
  priorities();
#ifdef __x86_64__
  by_cr8();
#endif
  counts();
  deadline();
  x2apic_modes();
  xs_success();
}
