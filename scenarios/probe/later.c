/* What Xen itself changed after 4.17: areas of a vCPU that are registered by their guest-physical address, a vcpu_info that is
 * registered twice, features and version calls that are new. The evidence for traits of the preset xen-4.20.
 * ELF only, 2 vCPUs; vCPU 1 is never started. */
#include "probe.h"

/* Numbers that older headers do not have. */
#define REGISTER_RUNSTATE_PHYS_AREA 14
#define REGISTER_VCPU_TIME_PHYS_AREA 15
#define NOWHERE (~0ull) /* takes a registration back */

static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;

static long register_at(unsigned op, unsigned vcpu, uint64_t gpa) {
  struct vcpu_register_runstate_memory_area area = {.addr.p = gpa};
  return xs_vcpu_op(op, vcpu, &area);
}

static long register_info(unsigned vcpu, unsigned offset) {
  struct vcpu_register_vcpu_info op = {.mfn = xs_gfn(page), .offset = offset};
  return xs_vcpu_op(VCPUOP_register_vcpu_info, vcpu, &op);
}

static void versions(void) {
  static char text[1024];
  for (unsigned op = 11; op < 16; op++) {
    memset(text, 0, sizeof text);
    SHOW_AS(xs_xen_version(op, text), "xen_version %u, room for nothing", op);
    SHOW_AS(xs_xen_version(op, 0), "xen_version %u, how long", op);
    SHOW_AS(xs_xen_version(op, probe_edge()), "xen_version %u, nowhere", op);
    *(uint32_t*)text = sizeof text - 4;
    long r = xs_xen_version(op, text);
    xs_printf("xen_version %u: %s, %s\n", op, xs_result(r), r > 0 ? text + 4 : "no text");
  }
  struct xen_feature_info features = {.submap_idx = 0};
  xs_xen_version(XENVER_get_features, &features);
  xs_printf("features 18 and 19: %u, %u\n", features.submap >> 18 & 1, features.submap >> 19 & 1);
}

static void show_runstate(const char* what) {
  const struct vcpu_runstate_info* area = (const void*)page;
  if (probe_untouched(page, sizeof *area)) {
    xs_printf("%s: untouched\n", what);
    return;
  }
  xs_printf("%s: state %d, entered %s\n", what, area->state, area->state_entry_time ? "some time ago" : "never");
}

static void show_time(const char* what) {
  const struct vcpu_time_info* area = (const void*)page;
  if (probe_untouched(page, sizeof *area)) {
    xs_printf("%s: untouched\n", what);
    return;
  }
  xs_printf("%s: version %s, multiplier %s\n", what, area->version & 1 ? "odd" : "even", area->tsc_to_system_mul ? "set" : "0");
}

static void area(unsigned op, const char* name, unsigned size, void (*show)(const char*)) {
  const uint64_t gpa = xs_gpa(page);
  probe_fill(page, sizeof page);
  SHOW_AS(xs_vcpu_op(op, 0, probe_edge()), "%s, argument nowhere", name);
  SHOW_AS(register_at(op, 77, gpa), "%s, vCPU 77", name);
  SHOW_AS(register_at(op, 0, gpa + 1), "%s, misaligned by 1", name);
  SHOW_AS(register_at(op, 0, gpa + 4), "%s, misaligned by 4", name);
  SHOW_AS(register_at(op, 0, gpa + XS_PAGE - 8), "%s, crosses a page", name);
  SHOW_AS(register_at(op, 0, gpa + XS_PAGE - size - 8), "%s, ends before the page's end", name);
  probe_fill(page, sizeof page);
  SHOW_AS(register_at(op, 0, (uint64_t)PROBE_NO_GFN << 12), "%s, no RAM", name);
  SHOW_AS(register_at(op, 0, 1ull << 52), "%s, beyond all", name);
  SHOW_AS(register_at(op, 0, gpa), "%s", name);
  show(name);
  if (op == REGISTER_VCPU_TIME_PHYS_AREA) xs_printf("%s: version %u\n", name, *(volatile uint32_t*)page);
  xs_poll(0, 0, 1);
  show(name);
  SHOW_AS(register_at(op, 0, gpa + 64), "%s, a second time", name);
  SHOW_AS(register_at(op, 0, NOWHERE), "%s, taken back", name);
  SHOW_AS(register_at(op, 0, NOWHERE), "%s, taken back twice", name);
  probe_fill(page, sizeof page);
  SHOW_AS(register_at(op, 1, gpa), "%s, vCPU 1", name);
  show(name);
  SHOW_AS(register_at(op, 1, NOWHERE), "%s, vCPU 1, taken back", name);
}

static void vcpu_info(void) {
  SHOW_AS(register_info(0, 64), "register_vcpu_info");
  SHOW_AS(register_info(0, 64), "register_vcpu_info, the same again");
  SHOW_AS(register_info(0, 128), "register_vcpu_info, elsewhere");
  SHOW_AS(register_info(0, XS_PAGE - 32), "register_vcpu_info again, crosses a page");
  SHOW_AS(register_info(0, 1), "register_vcpu_info again, misaligned");
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  versions();
  area(REGISTER_RUNSTATE_PHYS_AREA, "runstate by address", sizeof(struct vcpu_runstate_info), show_runstate);
  area(REGISTER_VCPU_TIME_PHYS_AREA, "time by address", sizeof(struct vcpu_time_info), show_time);
  vcpu_info();
  xs_success();
}
