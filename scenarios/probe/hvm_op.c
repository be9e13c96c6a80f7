/* hvm_op: every parameter, for ourselves and others, and the other sub-ops with their errors.
 * Expected: one fact a line. ELF only, 1 vCPU. */
#include "xs.h"

#define NOWHERE ((void*)0xf0000000ul) /* an address without memory behind it */
#define HOLE 0x9000ul

static void say(const char* what, long r) { xs_printf("%s: %s\n", what, xs_result(r)); }

static uint64_t value;
static long param(unsigned op, domid_t dom, uint32_t index, uint64_t v) {
  struct xen_hvm_param p = {.domid = dom, .index = index, .value = v};
  long r = xs_hvm_op(op, &p);
  value = p.value;
  return r;
}
static long set(uint32_t index, uint64_t v) { return param(HVMOP_set_param, DOMID_SELF, index, v); }
static long get(uint32_t index) { return param(HVMOP_get_param, DOMID_SELF, index, 0x5555); }
static void say_get(const char* what, uint32_t index) {
  long r = get(index);
  xs_printf("%s: %s, value 0x%llx\n", what, xs_result(r), (unsigned long long)value);
}

static domid_t own_domid(void);
static void params(void) {
  for (unsigned i = 0; i < 41; i++) {
    long r = get(i);
    /* the rings' pages are where the toolstack put them */
    xs_printf("%sparam %u: get %s, value 0x%llx", i == HVM_PARAM_STORE_PFN || i == HVM_PARAM_CONSOLE_PFN ? "~" : "", i, xs_result(r), (unsigned long long)value);
    if (i == HVM_PARAM_VM86_TSS_SIZED) xs_printf("\n");
    else xs_printf(", set %s\n", xs_result(set(i, r ? 0 : value)));
  }
  static const uint32_t some[] = {0, 4, 5, 38, 39, 0xffffffff};
  static const domid_t doms[] = {0, 99, 0x7ff1, 0x7ff2, 0x7fff, 0xffff};
  for (unsigned d = 0; d < 6; d++) {
    for (unsigned i = 0; i < 6; i++) {
      xs_printf("param %u of domain 0x%x: get %s", some[i], doms[d], xs_result(param(HVMOP_get_param, doms[d], some[i], 0)));
      xs_printf(", set %s\n", xs_result(param(HVMOP_set_param, doms[d], some[i], 0)));
    }
  }
  xs_printf("param 0 of ourselves by number: %s", xs_result(param(HVMOP_get_param, own_domid(), 0, 0)));
  xs_printf(", param 5: %s\n", xs_result(param(HVMOP_get_param, own_domid(), 5, 0)));
  say("get_param at nowhere", xs_hvm_op(HVMOP_get_param, NOWHERE));
  say("set_param at nowhere", xs_hvm_op(HVMOP_set_param, NOWHERE));
}

static void values(void) {
  static const uint64_t vias[] = {0, 1, 5, 300, 1ull << 56 | 3ull << 11 | 1, 2ull << 56 | 0x31, 2ull << 56 | 0x1ff, 3ull << 56 | 1, 0xffull << 56};
  for (unsigned i = 0; i < sizeof(vias) / sizeof(*vias); i++) {
    long r = set(HVM_PARAM_CALLBACK_IRQ, vias[i]);
    xs_printf("callback 0x%llx: %s", (unsigned long long)vias[i], xs_result(r));
    r = get(HVM_PARAM_CALLBACK_IRQ);
    xs_printf(", then %s 0x%llx\n", xs_result(r), (unsigned long long)value);
  }
  set(HVM_PARAM_CALLBACK_IRQ, 0);
  for (unsigned v = 0; v < 10; v++) xs_printf("x87 fip width %u: %s\n", v, xs_result(set(HVM_PARAM_X87_FIP_WIDTH, v)));
  say_get("x87 fip width", HVM_PARAM_X87_FIP_WIDTH);
  say("vm86 tss 0x7000", set(HVM_PARAM_VM86_TSS, 0x7000));
  say_get("vm86 tss", HVM_PARAM_VM86_TSS), say_get("sized", HVM_PARAM_VM86_TSS_SIZED);
  say("vm86 tss 0", set(HVM_PARAM_VM86_TSS, 0));
  say_get("vm86 tss", HVM_PARAM_VM86_TSS), say_get("sized", HVM_PARAM_VM86_TSS_SIZED);
  say("vm86 tss of 104 bytes", set(HVM_PARAM_VM86_TSS_SIZED, 104ull << 32 | 0x6000));
  say_get("vm86 tss", HVM_PARAM_VM86_TSS), say_get("sized", HVM_PARAM_VM86_TSS_SIZED);
  say("vm86 tss of 8329 bytes", set(HVM_PARAM_VM86_TSS_SIZED, 8329ull << 32 | 0x6000));
  say_get("sized", HVM_PARAM_VM86_TSS_SIZED);
  say("vm86 tss of 8330 bytes", set(HVM_PARAM_VM86_TSS_SIZED, 8330ull << 32 | 0x6000));
  say_get("sized", HVM_PARAM_VM86_TSS_SIZED);
  for (unsigned v = 0; v < 4; v++) xs_printf("acpi ioports %u: %s\n", v, xs_result(set(HVM_PARAM_ACPI_IOPORTS_LOCATION, v)));
  say("store port 12345678901", set(HVM_PARAM_STORE_EVTCHN, 12345678901ull));
  say_get("store port", HVM_PARAM_STORE_EVTCHN);
  say("generation id ~0", set(HVM_PARAM_VM_GENERATION_ID_ADDR, ~0ull));
  say_get("generation id", HVM_PARAM_VM_GENERATION_ID_ADDR);
}

static void mem_type(const char* what, domid_t dom, uint64_t gfn) {
  struct xen_hvm_get_mem_type q = {.domid = dom, .mem_type = 77, .pfn = gfn};
  long r = xs_hvm_op(HVMOP_get_mem_type, &q);
  xs_printf("memory type of %s: %s, %u\n", what, xs_result(r), q.mem_type);
}
static domid_t own_domid(void) {
  uint32_t id = xs_cpuid(xs_cpuid_base + 4, 0).ecx;
  return (domid_t)(id ? id : 1);
}

static void mem_types(void) {
  mem_type("RAM", DOMID_SELF, 0x2000);
  mem_type("a hole", DOMID_SELF, HOLE);
  mem_type("shared_info", DOMID_SELF, xs_gfn(&xs_shared_info));
  mem_type("the local APIC", DOMID_SELF, 0xfee00);
  mem_type("the IO-APIC", DOMID_SELF, 0xfec00);
  mem_type("gfn 2^36", DOMID_SELF, 1ull << 36);
  mem_type("gfn ~0", DOMID_SELF, ~0ull);
  xs_add_to_physmap(XENMAPSPACE_grant_table, 0, HOLE + 1);
  mem_type("a grant frame", DOMID_SELF, HOLE + 1);
  mem_type("ourselves by number", own_domid(), 0x2000);
  mem_type("domain 0", 0, 1);
  mem_type("domain 99", 99, 1);
  mem_type("domain 0x7ff2", 0x7ff2, 1);
  say("memory type at nowhere", xs_hvm_op(HVMOP_get_mem_type, NOWHERE));
}

static void dying(domid_t dom) {
  struct xen_hvm_pagetable_dying q = {.domid = dom, .gpa = 0x1000};
  xs_printf("pagetable_dying of 0x%x: %s\n", dom, xs_result(xs_hvm_op(HVMOP_pagetable_dying, &q)));
}

static void others(void) {
  dying(DOMID_SELF), dying(0), dying(99), dying(0x7ff2);
  say("pagetable_dying at nowhere", xs_hvm_op(HVMOP_pagetable_dying, NOWHERE));
  say("flush_tlbs", xs_hvm_op(HVMOP_flush_tlbs, 0));
  say("flush_tlbs with an argument", xs_hvm_op(HVMOP_flush_tlbs, &value));
  struct xen_hvm_get_time t = {0};
  long r = xs_hvm_op(HVMOP_get_time, &t);
  uint64_t now = xs_now_ns();
  xs_printf("get_time: %s, %s\n", xs_result(r), r ? "none" : t.now < now + 1000000000ull && now < t.now + 1000000000ull ? "system time" : "another time");
  say("get_time at nowhere", xs_hvm_op(HVMOP_get_time, NOWHERE));
  struct xen_hvm_xentrace x = {.event = 0xfff, .extra_bytes = 7 * 4};
  say("xentrace", xs_hvm_op(HVMOP_xentrace, &x));
  x.extra_bytes = 7 * 4 + 1;
  say("xentrace of 29 bytes", xs_hvm_op(HVMOP_xentrace, &x));
  x.extra_bytes = 0, x.event = 0x1000;
  say("xentrace of event 0x1000", xs_hvm_op(HVMOP_xentrace, &x));
  say("xentrace at nowhere", xs_hvm_op(HVMOP_xentrace, NOWHERE));
  say("guest_request_vm_event", xs_hvm_op(HVMOP_guest_request_vm_event, 0));
  say("guest_request_vm_event with an argument", xs_hvm_op(HVMOP_guest_request_vm_event, &value));
  struct xen_hvm_altp2m_op a = {.version = HVMOP_ALTP2M_INTERFACE_VERSION, .cmd = 1, .domain = DOMID_SELF};
  say("altp2m", xs_hvm_op(HVMOP_altp2m, &a));
  a.version = 99;
  say("altp2m, version 99", xs_hvm_op(HVMOP_altp2m, &a));
  say("altp2m at nowhere", xs_hvm_op(HVMOP_altp2m, NOWHERE));
  static struct { uint64_t v[16]; } zeroes;
  for (unsigned op = 0; op < 40; op++) {
    memset(&zeroes, 0, sizeof zeroes);
    xs_printf("op %u with zeroes: %s", op, xs_result(xs_hvm_op(op, &zeroes)));
    xs_printf(", at nowhere %s\n", xs_result(xs_hvm_op(op, NOWHERE)));
  }
  say("op ~0", xs_hvm_op(~0u, &zeroes));
#ifdef __x86_64__
  say("op 10 with upper bits", xs_hypercall2(__HYPERVISOR_hvm_op, 10 | 1ul << 32, &t));
#endif
}

void xs_main(void) {
  params();
  values();
  mem_types();
  others();
  xs_success();
}
