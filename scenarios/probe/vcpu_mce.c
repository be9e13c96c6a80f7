/* Machine checks as a guest sees them: CPUID's bits, and each of the MSRs read, written with some values, and read again.
 * ELF only, 1 vCPU. */
#include "probe.h"

static const struct msr {
  const char* name;
  uint32_t number;
} msrs[] = {
    {"MCG_CAP", 0x179},     {"MCG_STATUS", 0x17a},  {"MCG_CTL", 0x17b},     {"MC0_CTL", 0x400},     {"MC0_STATUS", 0x401},
    {"MC0_ADDR", 0x402},    {"MC0_MISC", 0x403},    {"MC1_CTL", 0x404},     {"MC1_STATUS", 0x405},  {"MC1_ADDR", 0x406},
    {"MC1_MISC", 0x407},    {"MC2_CTL", 0x408},     {"MC2_STATUS", 0x409},  {"MC2_ADDR", 0x40a},    {"MC2_MISC", 0x40b},
    {"MC10_CTL", 0x428},    {"MC10_STATUS", 0x429}, {"MC31_CTL", 0x47c},    {"MC31_MISC", 0x47f},   {"MC32_CTL", 0x480},
    {"MC0_CTL2", 0x280},    {"MC1_CTL2", 0x281},    {"MC31_CTL2", 0x29f},   {"MCG_EXT_CTL", 0x4d0}, {"P5_MC_ADDR", 0x0},
    {"P5_MC_TYPE", 0x1},
};
#define MSRS (sizeof msrs / sizeof *msrs)
/* KVM takes some more than nothing and all ones: bits 0 and 10 of a bank's control may be clear. */
static const uint64_t values[] = {0, 1, ~0ull, ~1ull, ~0x400ull, ~2ull};

static void show(const struct msr* m, const char* when) {
  uint64_t value;
  if (probe_rdmsr_faults(m->number, &value))
    xs_printf("%s%s: #GP\n", m->name, when);
  else
    xs_printf("%s%s: 0x%llx\n", m->name, when, (unsigned long long)value);
}

static void write(const struct msr* m, uint64_t value) {
  uint64_t after;
  int refused = probe_wrmsr_faults(m->number, value);
  xs_printf("%s = 0x%llx: %s, then ", m->name, (unsigned long long)value, refused ? "#GP" : "taken");
  if (probe_rdmsr_faults(m->number, &after))
    xs_printf("#GP\n");
  else
    xs_printf("0x%llx\n", (unsigned long long)after);
}

void xs_main(void) {
  struct xs_cpuid one = xs_cpuid(1, 0);
  xs_printf("CPUID 1 edx: MCE %u, MCA %u\n", one.edx >> 7 & 1, one.edx >> 14 & 1);
  probe_catch_msr_faults();
  for (size_t i = 0; i < MSRS; i++) show(&msrs[i], "");
  for (size_t i = 0; i < MSRS; i++) {
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) write(&msrs[i], values[v]);
  }
  for (size_t i = 0; i < MSRS; i++) show(&msrs[i], ", at the end");
  xs_success();
}
