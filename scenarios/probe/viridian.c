/* Microsoft's interface to hypervisors as `viridian=1` of xl gives it (`record --viridian`, a type=hvm domain): CPUID leaves, MSRs by
 * group, the hypercall page and calls by it, the assist page and EOIs that are left out. ELF only, 1 vCPU. */
#include "probe.h"

#define GUEST_OS_ID 0x40000000u
#define HYPERCALL 0x40000001u
#define VP_INDEX 0x40000002u
#define TIME_REF_COUNT 0x40000020u
#define MSR_EOI 0x40000070u
#define MSR_ICR 0x40000071u
#define MSR_TPR 0x40000072u
#define VP_ASSIST_PAGE 0x40000073u
#define CRASH_P0 0x40000100u
#define CRASH_CTL 0x40000105u

static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;
static volatile uint32_t assist[XS_PAGE / 4] XS_PAGE_ALIGNED;

static void leaves(const char* when) {
  for (unsigned i = 0; i < 9; i++) {
    const struct xs_cpuid leaf = xs_cpuid(0x40000000 + i, 0);
    xs_printf("%s, CPUID 0x4000000%u: 0x%x 0x%x 0x%x 0x%x\n", when, i, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
  }
}
static void xen_leaves(void) {
  xs_printf("Xen's leaves from 0x%x on\n", xs_cpuid_base);
  const struct xs_cpuid first = xs_cpuid(xs_cpuid_base, 0), version = xs_cpuid(xs_cpuid_base + 1, 0), page_msr = xs_cpuid(xs_cpuid_base + 2, 0);
  xs_printf("Xen's signature: 0x%x, version 0x%x, page MSR %u at 0x%x\n", first.eax, version.eax, page_msr.eax, page_msr.ebx);
  xs_printf("Xen's HVM leaf: 0x%x, vCPU %u\n", xs_cpuid(xs_cpuid_base + 4, 0).eax, xs_cpuid(xs_cpuid_base + 4, 0).ebx);
  xs_printf("hypervisor present: %u\n", xs_cpuid(1, 0).ecx >> 31);
  uint64_t value;
  const int reads = !probe_rdmsr_faults(page_msr.ebx, &value);
  xs_printf("RDMSR 0x%x: %s\n", page_msr.ebx, reads ? "read" : "#GP");
  xs_printf("WRMSR 0x%x of page 1: %s\n", page_msr.ebx, probe_wrmsr_faults(page_msr.ebx, 1) ? "#GP" : "taken");
}

/* Those that change nothing which the program needs: each read, written with what was read, and read again. */
static void msrs(void) {
  static const unsigned ranges[][2] = {{0x40000000, 0x40000005}, {0x40000010, 0x40000010}, {0x40000020, 0x40000024}, {0x40000070, 0x40000074},
                                       {0x40000080, 0x40000085}, {0x40000090, 0x40000091}, {0x400000b0, 0x400000b1}, {0x400000c1, 0x400000c1},
                                       {0x400000f0, 0x400000f1}, {0x40000100, 0x40000106}, {0x40000201, 0x40000201}};
  for (unsigned i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    for (unsigned msr = ranges[i][0]; msr <= ranges[i][1]; msr++) {
      uint64_t value;
      const int read = !probe_rdmsr_faults(msr, &value);
      const int may_differ = msr == TIME_REF_COUNT || msr == 0x40000022;
      xs_printf("MSR 0x%x: RDMSR %s", msr, !read ? "#GP" : may_differ ? "read" : "0x");
      if (read && !may_differ) xs_printf("%llx", (unsigned long long)value);
      xs_printf(", WRMSR %s\n", probe_wrmsr_faults(msr, read ? value : 0) ? "#GP" : "taken");
    }
  }
}

/* Shown without the address of a page of ours. */
static uint64_t shown(uint64_t value) {
  const uint64_t at = value & ~0xfffull;
  return at == xs_gpa(page) || at == xs_gpa(assist) ? value & 0xfff : value;
}
static void set(uint32_t msr, uint64_t value) {
  uint64_t after;
  const int faults = probe_wrmsr_faults(msr, value);
  const int read_faults = probe_rdmsr_faults(msr, &after);
  xs_printf("MSR 0x%x = 0x%llx: %s, then %s0x%llx\n", msr, (unsigned long long)shown(value), faults ? "#GP" : "taken", read_faults ? "#GP " : "", (unsigned long long)shown(after));
}

static uint64_t call(uint64_t input, uint64_t in, uint64_t out) {
#ifdef __x86_64__
  uint64_t result;
  register uint64_t r8 __asm__("r8") = out;
  __asm__ volatile("call *%4" : "=a"(result), "+c"(input), "+d"(in), "+r"(r8) : "r"(page) : "r9", "r10", "r11", "memory");
  return result;
#else
  uint32_t low = (uint32_t)input, high = (uint32_t)(input >> 32);
  uint32_t b = (uint32_t)(in >> 32), c = (uint32_t)in, di = (uint32_t)(out >> 32), si = (uint32_t)out;
  __asm__ volatile("call page" : "+a"(low), "+d"(high), "+b"(b), "+c"(c), "+D"(di), "+S"(si) : : "memory");
  return (uint64_t)high << 32 | low;
#endif
}
#define CALL(what, input, in, out) xs_printf("call %s: 0x%llx\n", what, (unsigned long long)call(input, in, out))

static void calls(void) {
  memset(page, 0x11, sizeof page);
  set(HYPERCALL, xs_gpa(page));
  probe_dump(page, 16, 1, "page not enabled");
  set(HYPERCALL, 0x3fffff000ull | 1); /* no memory there */
  set(HYPERCALL, xs_gpa(page) | 0xffe);
  set(HYPERCALL, xs_gpa(page) | 1);
  const unsigned char which = page[7];
  page[7] = 0; /* VMCALL or VMMCALL */
  probe_dump(page, 16, 1, "page enabled");
  page[7] = which;
  probe_dump(page + XS_PAGE - 8, 8, 1, "page's end");
  xs_make_executable(page);
  static uint64_t flush[3] = {0, 0, 1}, flush_all[3] = {0, 1, 0};
  CALL("HvNotifyLongSpinWait", 8, 0, 0);
  CALL("HvFlushVirtualAddressSpace", 2, xs_gpa(flush), 0);
  CALL("HvFlushVirtualAddressSpace of all", 2, xs_gpa(flush_all), 0);
  CALL("HvFlushVirtualAddressList, 3 of them", 3ull | 3ull << 32, xs_gpa(flush), 0);
  CALL("HvFlushVirtualAddressSpace, fast", 2 | 0x10000, 0, 0);
  CALL("HvFlushVirtualAddressSpace, no memory", 2, 0x3fffff000ull, 0);
  CALL("HvExtCallQueryCapabilities", 0x8001, 0, 0);
  CALL("HvCallSendSyntheticClusterIpi, fast, to nobody", 0xb | 0x10000, 0x41, 0);
  CALL("HvGetPartitionId", 0x46, 0, 0);
  CALL("0", 0, 0, 0);
  set(HYPERCALL, 0);
  page[7] = 0;
  probe_dump(page, 16, 1, "page after it was disabled");
  SHOW(xs_xen_version(XENVER_pagesize, 0));
}

/* ---- the local APIC by MSRs, and the assist page ---- */

static uint32_t apic(unsigned reg) { return (uint32_t)xs_rdmsr(0x800 + (reg >> 4)); }
static volatile unsigned taken[256];
static volatile unsigned eoi_by; /* 0: MSR_EOI, 1: the APIC's own, 2: the assist word alone, if it is set */
static volatile uint32_t seen;
static void on_vector(struct xs_regs* regs) {
  taken[regs->vector & 0xff]++;
  seen = assist[0];
  if (eoi_by == 2 && (assist[0] & 1)) assist[0] &= ~1u;
  else if (eoi_by == 1) xs_apic_eoi();
  else xs_wrmsr(MSR_EOI, 0);
}
static void show(const char* what, unsigned vector) {
  xs_sti();
  __asm__ volatile("nop\n\tnop");
  xs_cli();
  xs_printf("%s: vector %x %u times, ISR 0x%x, assist in the handler 0x%x, now 0x%x\n", what, vector, taken[vector], apic(0x100 + vector / 32 * 16), seen, assist[0]);
}
static void by_msrs(void) {
  xs_on_vector(0x41, on_vector), xs_on_vector(0x61, on_vector);
  xs_apic_enable();
  set(MSR_TPR, 0x50);
  xs_printf("APIC's TPR 0x%x\n", apic(0x80));
  xs_printf("MSR_ICR to itself: %s\n", probe_wrmsr_faults(MSR_ICR, 0x40041) ? "#GP" : "taken");
  uint64_t icr;
  const int icr_faults = probe_rdmsr_faults(MSR_ICR, &icr);
  xs_printf("MSR_ICR reads %s0x%llx\n", icr_faults ? "#GP " : "", (unsigned long long)icr);
  show("TPR 0x50", 0x41);
  set(MSR_TPR, 0);
  show("TPR 0", 0x41);
  set(MSR_TPR, 0x123);
  set(MSR_TPR, 0);
}
static void by_assist(void) {
  assist[0] = 0x5a5a5a5a, assist[1] = 1;
  set(VP_ASSIST_PAGE, xs_gpa(assist));
  xs_printf("assist page not enabled: 0x%x 0x%x\n", assist[0], assist[1]);
  set(VP_ASSIST_PAGE, xs_gpa(assist) | 1);
  xs_printf("assist page enabled: 0x%x 0x%x\n", assist[0], assist[1]);
  for (eoi_by = 0; eoi_by < 3; eoi_by++) {
    xs_apic_send(xs_apic_id(), 0x40041);
    show(eoi_by == 0 ? "EOI by MSR_EOI" : eoi_by == 1 ? "EOI by the APIC" : "EOI left out", 0x41);
  }
  eoi_by = 2;
  xs_apic_send(xs_apic_id(), 0x40061);
  show("EOI left out, a higher one next", 0x61);
  xs_apic_send(xs_apic_id(), 0x40041), xs_apic_send(xs_apic_id(), 0x40061);
  show("two at once", 0x41);
  show("two at once", 0x61);
  eoi_by = 0;
  xs_wrmsr(MSR_EOI, 0);
  show("one more EOI", 0x61);
  set(VP_ASSIST_PAGE, 0x3fffff001ull);
  set(VP_ASSIST_PAGE, 0);
}

static void times(void) {
  uint64_t a, b;
  probe_rdmsr_faults(TIME_REF_COUNT, &a);
  const uint64_t start = xs_now_ns();
  while (xs_now_ns() < start + 3 * XS_MS) xs_delay(1000);
  probe_rdmsr_faults(TIME_REF_COUNT, &b);
  xs_printf("TIME_REF_COUNT: %s\n", b - a >= 29000 ? "counts 100 ns" : "wrong");
}

void xs_main(void) {
  probe_catch_msr_faults();
  xen_leaves();
  leaves("at first");
  msrs();
  set(GUEST_OS_ID, 0x0001000300000000ull); /* vendor 1, OS 3 */
  leaves("OS 3");
  set(GUEST_OS_ID, 0x0001040601001db1ull); /* Windows NT 6.1 */
  leaves("OS 4");
  calls();
  by_msrs();
  by_assist();
  times();
  for (unsigned i = 0; i < 5; i++) set(CRASH_P0 + i, 0x1111111111111111ull * i);
  set(CRASH_CTL, 1ull << 63);
  xs_success();
}
