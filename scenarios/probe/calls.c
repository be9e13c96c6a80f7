/* xen_version, the CPUID leaves, the hypercall page, and the calls that an HVM guest has few or no uses for.
 * Expected: one fact a line. ELF only, 1 vCPU. */
#include "pirqs.h"
#include "xs.h"

#define NOWHERE ((void*)0xf0000000ul) /* an address without memory behind it */

static void say(const char* what, long r) { xs_printf("%s: %s\n", what, xs_result(r)); }

extern unsigned char xs_hypercall_page[XS_PAGE];
static unsigned char buffer[2 * XS_PAGE] XS_PAGE_ALIGNED;

/* A call by any number: the stub's instruction, with the number in the whole register. */
static long call_number(unsigned long nr, unsigned long a0, unsigned long a1) {
  long r;
#ifdef __x86_64__
  __asm__ volatile("call *%4" : "=a"(r), "+D"(a0), "+S"(a1) : "0"(nr), "r"(xs_hypercall_page + 5) : "memory", "rdx", "r10", "r8", "r9", "rcx", "r11");
#else
  __asm__ volatile("call *%4" : "=a"(r), "+b"(a0), "+c"(a1) : "0"(nr), "r"(xs_hypercall_page + 5) : "memory", "edx");
#endif
  return r;
}

static unsigned written(long* result, unsigned op) {
  memset(buffer, 0xee, sizeof buffer);
  *result = xs_xen_version(op, buffer);
  unsigned n = sizeof buffer;
  while (n && buffer[n - 1] == 0xee) n--;
  return n;
}

static void versions(void) {
  for (unsigned op = 0; op < 16; op++) {
    long r;
    if (op == XENVER_get_features) continue;
    unsigned n = written(&r, op);
    xs_printf("version %u: %s, %u bytes", op, op == XENVER_version ? "a number" : xs_result(r), n);
    xs_printf(", at nowhere %s", op == XENVER_version ? "a number" : xs_result(xs_xen_version(op, NOWHERE)));
    xs_printf(", without an argument %s\n", op == XENVER_version ? "a number" : xs_result(xs_xen_version(op, 0)));
    if (op == XENVER_version) xs_printf("version %ld.%ld\n", r >> 16, r & 0xffff);
    if (r == 0 && (op == XENVER_extraversion || op == XENVER_capabilities || op == XENVER_commandline)) xs_printf("says '%s'\n", buffer);
    if (r == 0 && (op == XENVER_compile_info || op == XENVER_changeset)) xs_printf("~says '%s'\n", buffer);
    if (r == 0 && op == XENVER_platform_parameters) xs_printf("says 0x%lx\n", *(unsigned long*)buffer);
  }
  for (unsigned i = 0; i < 4; i++) {
    struct xen_feature_info f = {.submap_idx = i, .submap = 0x99};
    long r = xs_xen_version(XENVER_get_features, &f);
    xs_printf("features %u: %s, 0x%x\n", i, xs_result(r), f.submap);
  }
  say("features at nowhere", xs_xen_version(XENVER_get_features, NOWHERE));
  struct { uint32_t len; uint8_t buf[60]; } id = {0};
  say("build id, no room", xs_xen_version(XENVER_build_id, &id));
  id.len = 60;
  say("build id", xs_xen_version(XENVER_build_id, &id));
  say("version 99", xs_xen_version(99, 0));
#ifdef __x86_64__
  say("version 7 with upper bits", xs_hypercall2(__HYPERVISOR_xen_version, 7 | 1ul << 32, 0));
#endif
}

static void leaves(void) {
  for (unsigned i = 0; i < 8; i++) {
    for (unsigned sub = 0; sub < 4; sub++) {
      struct xs_cpuid c = xs_cpuid(xs_cpuid_base + i, sub);
      const char* may = i == 3 ? "~" : "";
      if (i == 4 && sub == 0 && c.ecx) c.ecx = 0xd; /* a domain's number */
      xs_printf("%sleaf %u.%u: 0x%x 0x%x 0x%x 0x%x\n", may, i, sub, c.eax, c.ebx, c.ecx, c.edx);
    }
  }
  struct xs_cpuid t = xs_cpuid(xs_cpuid_base + 3, 0);
  xs_printf("~time leaf: rdtscp %u, mode %u, %s, incarnation %s\n", t.eax >> 2 & 1, t.ebx, t.ecx ? "a frequency" : "no frequency", t.edx ? "set" : "0");
  t = xs_cpuid(xs_cpuid_base + 3, 1);
  xs_printf("time leaf 1: multiplier %s\n", t.ecx ? "set" : "0");
  t = xs_cpuid(xs_cpuid_base + 3, 2);
  xs_printf("~time leaf 2: %s 0x%x 0x%x 0x%x\n", t.eax ? "a frequency" : "no frequency", t.ebx, t.ecx, t.edx);
  xs_printf("base 0x%x\n", xs_cpuid_base);
  struct xs_cpuid c = xs_cpuid(xs_cpuid_base + 0x100, 0);
  char sign[13] = {0};
  memcpy(sign, &c.ebx, 4), memcpy(sign + 4, &c.ecx, 4), memcpy(sign + 8, &c.edx, 4);
  xs_printf("next base: %s\n", c.eax > xs_cpuid_base && c.eax < xs_cpuid_base + 0x1000 ? sign : "nothing");
}

static void say_wrmsr(const char* what, uint32_t msr, uint64_t v) {
  xs_printf("%s: %s\n", what, probe_wrmsr_faults(msr, v) ? "#GP" : "done");
}

static void say_rdmsr(uint32_t msr) {
  uint64_t v;
  const int faults = probe_rdmsr_faults(msr, &v);
  xs_printf("read: %s, 0x%llx\n", faults ? "#GP" : "done", (unsigned long long)v);
}

static void page(void) {
  uint32_t msr = xs_cpuid(xs_cpuid_base + 2, 0).ebx;
  xs_printf("pages %u, msr 0x%x\n", xs_cpuid(xs_cpuid_base + 2, 0).eax, msr);
  static const unsigned slots[] = {0, 1, 22, 23, 24, 63, 64, 127};
  for (unsigned i = 0; i < 8; i++) {
    const unsigned char* s = xs_hypercall_page + slots[i] * 32;
    xs_printf("slot %u: %02x %02x%02x%02x%02x", slots[i], s[0], s[4], s[3], s[2], s[1]);
    xs_printf(" %s", s[5] == 0x0f && s[6] == 1 && (s[7] == 0xc1 || s[7] == 0xd9) ? "call" : "none");
    xs_printf(" %02x%s then %02x %02x %02x\n", s[8], "", s[9], s[10], s[31]);
  }
  probe_catch_msr_faults();
  uint64_t at = xs_gpa(buffer);
  say_wrmsr("page index 1", msr, at | 1);
  say_wrmsr("page index 0xfff", msr, at | 0xfff);
  say_wrmsr("page over a hole", msr, 0xf0000000ul);
  say_wrmsr("page at 2^40", msr, 1ull << 40);
  say_wrmsr("page at 2^52", msr, 1ull << 52);
  memset(buffer, 0xee, sizeof buffer);
  say_wrmsr("page", msr, at);
  unsigned n = 0;
  for (unsigned i = 0; i < XS_PAGE; i++) n += buffer[i] == xs_hypercall_page[i];
  xs_printf("it is the same page: %s\n", n == XS_PAGE ? "yes" : "no");
  say_rdmsr(msr);
  say_wrmsr("the next register", msr + 1, at);
  say_rdmsr(msr + 1);
}

static struct { uint64_t v[24]; } zeroes;
static long with_word(unsigned nr, unsigned op, unsigned at, uint64_t v) {
  memset(&zeroes, 0, sizeof zeroes);
  memcpy((char*)&zeroes + at, &v, 8);
  return xs_hypercall2(nr, op, &zeroes);
}

static domid_t own_domid(void) {
  uint32_t id = xs_cpuid(xs_cpuid_base + 4, 0).ecx;
  return (domid_t)(id ? id : 1);
}

static void physdev(void) {
  long usual[3] = {0};
  for (unsigned op = 0; op < 34; op++) {
    long r[3] = {with_word(__HYPERVISOR_physdev_op, op, 0, 0), with_word(__HYPERVISOR_physdev_op, op, 0, DOMID_SELF),
                 xs_hypercall2(__HYPERVISOR_physdev_op, op, NOWHERE)};
    if (memcmp(r, usual, sizeof r) == 0) continue;
    memcpy(usual, r, sizeof r);
    xs_printf("physdev from %u on: zeroes %s, ourselves %s, nowhere %s\n", op, xs_result(r[0]), xs_result(r[1]), xs_result(r[2]));
  }
}

static const struct probe_pirq_words pirq_words = {.map = "map", .unmap = "unmap", .status = "status", .get_free = "free pirq"};

static void refused(void) {
  for (unsigned cmd = 0; cmd < 3; cmd++) {
    for (unsigned type = 0; type < 8; type++) xs_printf("assist %u %u: %s\n", cmd, type, xs_result(xs_vm_assist(cmd, type)));
  }
  xs_printf("assist 0 63: %s, 0 64: %s, 0 ~0: %s\n", xs_result(xs_vm_assist(0, 63)), xs_result(xs_vm_assist(0, 64)), xs_result(xs_vm_assist(0, ~0u)));
  for (unsigned cmd = 0; cmd < 4; cmd++) xs_printf("console %u: %s\n", cmd, xs_result(xs_console_io(cmd, 1, "x")));
  static const unsigned control[] = {__HYPERVISOR_platform_op, __HYPERVISOR_sysctl, __HYPERVISOR_domctl, __HYPERVISOR_arch_1};
  static const uint32_t interface[] = {0x03000001, 0x15, 0x15, 0x15};
  static const domid_t doms[] = {DOMID_SELF, 0, 99, 0x7ff2, 0x7ff1};
  for (unsigned i = 0; i < 4; i++) {
    long usual[4] = {0};
    xs_printf("control %u: nowhere %s", control[i], xs_result(xs_hypercall1(control[i], (unsigned long)NOWHERE)));
    memset(&zeroes, 0, sizeof zeroes);
    xs_printf(", version 0 %s\n", xs_result(xs_hypercall1(control[i], (unsigned long)&zeroes)));
    for (unsigned cmd = 0; cmd < 92; cmd++) {
      /* those that look at their arguments before they look at who asks */
      if (control[i] == __HYPERVISOR_domctl && (cmd == 21 || (cmd >= 38 && cmd <= 40) || cmd == 46 || cmd == 48 || cmd == 50)) continue;
      long r[4];
      for (unsigned d = 0; d < 4; d++) {
        memset(&zeroes, 0, sizeof zeroes);
        zeroes.v[0] = (uint64_t)interface[i] << 32 | cmd;
        zeroes.v[1] = d == 3 ? own_domid() : doms[d];
        r[d] = xs_hypercall1(control[i], (unsigned long)&zeroes);
      }
      if (memcmp(r, usual, sizeof r) == 0) continue;
      memcpy(usual, r, sizeof r);
      xs_printf("control %u from cmd %u on: %s %s", control[i], cmd, xs_result(r[0]), xs_result(r[1]));
      xs_printf(" %s, ourselves by number %s\n", xs_result(r[2]), xs_result(r[3]));
    }
  }
  xs_printf("mmuext of none: %s", xs_result(xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 0, 0, DOMID_SELF, 0)));
  memset(&zeroes, 0, sizeof zeroes);
  xs_printf(", of one: %s", xs_result(xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 1, 0, DOMID_SELF, 0)));
  xs_printf(", nowhere: %s", xs_result(xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)NOWHERE, 1, 0, DOMID_SELF, 0)));
  xs_printf(", of domain 99: %s", xs_result(xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 1, 0, 99, 0)));
  xs_printf(", of domain 0: %s\n", xs_result(xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 1, 0, 0, 0)));
  long last[7] = {0};
  for (unsigned cmd = 0; cmd < 30; cmd++) {
    memset(&zeroes, 0, sizeof zeroes);
    zeroes.v[0] = cmd;
    long r[] = {xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 1, 0, DOMID_SELF, 0),
                xs_hypercall1(__HYPERVISOR_xsm_op, cmd),
                xs_hypercall2(__HYPERVISOR_argo_op, cmd, &zeroes),
                xs_hypercall2(__HYPERVISOR_xenpmu_op, cmd, &zeroes),
                xs_hypercall2(__HYPERVISOR_hypfs_op, cmd, &zeroes),
                xs_hypercall2(__HYPERVISOR_kexec_op, cmd, &zeroes),
                xs_hypercall2(38, cmd, &zeroes)};
    if (memcmp(r, last, sizeof r) == 0) continue;
    memcpy(last, r, sizeof r);
    xs_printf("from %u on: mmuext %s, xsm %s, argo %s", cmd, xs_result(r[0]), xs_result(r[1]), xs_result(r[2]));
    xs_printf(", pmu %s, hypfs %s, kexec %s, tmem %s\n", xs_result(r[3]), xs_result(r[4]), xs_result(r[5]), xs_result(r[6]));
  }
  for (unsigned d = 0; d < 5; d++) {
    for (unsigned n = 0; n < 5; n++) {
      memset(&zeroes, 0, sizeof zeroes);
      xs_printf("dm_op of 0x%x, %u buffers: %s", doms[d], n, xs_result(xs_hypercall3(__HYPERVISOR_dm_op, doms[d], n, &zeroes)));
      xs_printf(", nowhere %s\n", xs_result(xs_hypercall3(__HYPERVISOR_dm_op, doms[d], n, NOWHERE)));
    }
  }
  memset(&zeroes, 0, sizeof zeroes);
  say("dm_op of ourselves by number", xs_hypercall3(__HYPERVISOR_dm_op, own_domid(), 1, &zeroes));
  say("mmuext of none of ourselves by number", xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 0, 0, own_domid(), 0));
  say("mmuext of ourselves by number", xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 1, 0, own_domid(), 0));
  say("mmuext of none of 0x7ff1", xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 0, 0, 0x7ff1, 0));
  say("mmuext of none of 99", xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 0, 0, 99, 0));
  say("mmuext of 2 with done", xs_hypercall(__HYPERVISOR_mmuext_op, (unsigned long)&zeroes, 2, (unsigned long)buffer, DOMID_SELF, 0));
  xs_printf("done: 0x%x\n", *(uint32_t*)buffer);
  for (unsigned nr = 0; nr < 128; nr++) {
    if (nr >= 7 && nr < 43 && nr != 8 && nr != 9 && nr != 10 && nr != 11 && nr != 14 && nr != 16 && nr != 19 && nr != 22 && nr != 25 && nr != 28 && nr != 30 && nr != 31) continue;
    if (nr == 49) continue;
    long r = call_number(nr, 0, 0);
    if (r != -38) xs_printf("call %u: %s\n", nr, xs_result(r));
  }
  xs_printf("call 0x10011: %s, 0x80000011: %s\n", xs_result(call_number(0x10011, 7, 0)), xs_result(call_number(0x80000011ul, 7, 0)));
#ifdef __x86_64__
  xs_printf("call 0x100000011: %s, ~0: %s\n", xs_result(call_number(0x100000011ul, 7, 0)), xs_result(call_number(~0ul, 7, 0)));
#endif
}

static struct multicall_entry calls[8];
static void multicalls(void) {
  say("multicall of none", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)NOWHERE, 0, 0, 0, 0));
  say("multicall at nowhere", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)NOWHERE, 1, 0, 0, 0));
  memset(calls, 0, sizeof calls);
  calls[0].op = __HYPERVISOR_xen_version;
  calls[1].op = __HYPERVISOR_multicall, calls[1].args[0] = (unsigned long)(calls + 4), calls[1].args[1] = 1;
  calls[2].op = 99;
  calls[3].op = __HYPERVISOR_xen_version, calls[3].args[0] = XENVER_pagesize;
  calls[4].op = __HYPERVISOR_xen_version, calls[4].args[0] = XENVER_pagesize, calls[4].result = 5;
  say("multicall of 4", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)calls, 4, 0, 0, 0));
  xs_printf("results 0x%lx %s %s", (unsigned long)calls[0].result, xs_result((long)calls[1].result), xs_result((long)calls[2].result));
  xs_printf(" %lu, nested %lu, op %lu\n", (unsigned long)calls[3].result, (unsigned long)calls[4].result, (unsigned long)calls[0].op);
  calls[0].op = __HYPERVISOR_xen_version, calls[0].args[0] = XENVER_commandline, calls[0].args[1] = (unsigned long)NOWHERE;
  say("multicall of a call that fails", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)calls, 1, 0, 0, 0));
  xs_printf("result %s\n", xs_result((long)calls[0].result));
#ifdef __x86_64__
  calls[0].op = 1ul << 32 | __HYPERVISOR_xen_version, calls[0].args[0] = XENVER_pagesize, calls[0].args[1] = 0;
  say("multicall of a number with upper bits", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)calls, 1, 0, 0, 0));
  xs_printf("result %s\n", xs_result((long)calls[0].result));
  calls[0].op = __HYPERVISOR_xen_version;
  calls[0].result = 0;
  say("multicall, count with upper bits", xs_hypercall(__HYPERVISOR_multicall, (unsigned long)calls, 1ul << 32 | 1, 0, 0, 0));
  xs_printf("result %s\n", xs_result((long)calls[0].result));
#endif
}

void xs_main(void) {
  versions();
  leaves();
  page();
  physdev();
  probe_pirqs(&pirq_words);
  refused();
  multicalls();
  xs_success();
}
