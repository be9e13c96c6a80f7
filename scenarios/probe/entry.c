/* Row A1: the way in. Xen's CPUID leaves, the hypercall page and its MSR, numbers that are no hypercall, ring 3's calls.
 * ELF only, 1 vCPU. */
#include "probe.h"

static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;

static void show_leaf(const char* name, unsigned leaf, unsigned subleaf, unsigned compared) {
  struct xs_cpuid r = xs_cpuid(xs_cpuid_base + leaf, subleaf);
  uint32_t values[4] = {r.eax, r.ebx, r.ecx, r.edx};
  for (unsigned i = 0; i < 4; i++)
    xs_printf("%s%s, CPUID +%u.%u e%cx: 0x%x\n", compared & 1u << i ? "" : "~ ", name, leaf, subleaf, "abcd"[i], values[i]);
}

static void cpuid_leaves(void) {
  show_leaf("signature", 0, 0, 15);
  show_leaf("version", 1, 0, 15);
  show_leaf("hypercall pages", 2, 0, 15);
  show_leaf("time", 3, 0, 0);
  show_leaf("time", 3, 1, 0);
  show_leaf("time", 3, 2, 0);
  show_leaf("time, no such subleaf", 3, 3, 0);
  show_leaf("HVM", 4, 0, 2 | 8);
  show_leaf("HVM, no such subleaf", 4, 1, 0);
}

/* The page's slots: mov $nr,%eax; vmcall or vmmcall; ret. The vendor decides between the two, so their last byte is hidden. */
static void hypercall_page(void) {
  probe_fill(page, sizeof page);
  xs_wrmsr(xs_cpuid(xs_cpuid_base + 2, 0).ebx, xs_gpa(page));
  const unsigned slots[] = {0, 1, 22, 23, 24, 63, 64, 127};
  for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
    unsigned char* slot = page + slots[i] * 32;
    if (slot[5] == 0x0f && slot[6] == 0x01) slot[7] = 0;
    probe_dump(slot, 10, 1, "slot %u", slots[i]);
  }
}

static void show_wrmsr(const char* what, uint32_t msr, uint64_t value) {
  xs_printf("WRMSR %s: %s\n", what, probe_wrmsr_faults(msr, value) ? "#GP" : "taken");
}

static void msrs(void) {
  const uint32_t msr = xs_cpuid(xs_cpuid_base + 2, 0).ebx;
  probe_catch_msr_faults();
  show_wrmsr("page 0", msr, xs_gpa(page));
  show_wrmsr("page 1", msr, xs_gpa(page) + 1);
  show_wrmsr("page 4095", msr, xs_gpa(page) + 4095);
  uint64_t value;
  xs_printf("RDMSR of the same: %s\n", probe_rdmsr_faults(msr, &value) ? "#GP" : "taken");
}

/* Numbers that Xen gives to no HVM guest; those behind 63 are beyond the hypercall page. */
static void numbers(void) {
  const unsigned none[] = {0, 3, 4, 5, 9, 10, 11, 13, 14, 16, 22, 27, 28, 30, 31, 36, 37, 38, 42, 43, 48, 56, 63};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    SHOW_AS(xs_hypercall(none[i], 0, 0, 0, 0, 0), "hypercall %u", none[i]);
}

void xs_main(void) {
  cpuid_leaves();
  hypercall_page();
  msrs();
  numbers();
  xs_success();
}
