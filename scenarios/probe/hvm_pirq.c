/* Row A8, PHYSDEVOPs of PIRQs: those of a type=hvm domain (`record --hvm`), and of every guest on KVM with QEMU. Also what both say in
 * odd ways: XENVER_pagesize, console_io's counts. ELF only, 1 vCPU. */
#include "probe.h"

#include <xen/physdev.h>

static void say(const char* what, long r) { xs_printf("%s: %s\n", what, xs_result(r)); }

static long map_pirq(domid_t dom, int type, int index, int* pirq) {
  struct physdev_map_pirq m = {.domid = dom, .type = type, .index = index, .pirq = *pirq};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &m);
  *pirq = m.pirq;
  return r;
}
static void say_map(const char* what, domid_t dom, int type, int index, int pirq) {
  long r = map_pirq(dom, type, index, &pirq);
  xs_printf("map_pirq %s: %s, pirq %d\n", what, xs_result(r), pirq);
}
static void say_unmap(const char* what, domid_t dom, int pirq) {
  struct physdev_unmap_pirq u = {.domid = dom, .pirq = pirq};
  xs_printf("unmap_pirq %s: %s\n", what, xs_result(xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &u)));
}
static void say_status(const char* what, uint32_t irq) {
  struct physdev_irq_status_query q = {.irq = irq, .flags = 0x99};
  struct physdev_eoi e = {.irq = irq};
  xs_printf("irq_status_query of %s: %s", what, xs_result(xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, &q)));
  xs_printf(", flags 0x%x\n", q.flags);
  xs_printf("eoi of %s: %s\n", what, xs_result(xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &e)));
}
static void say_free(const char* what, int type) {
  struct physdev_get_free_pirq f = {.type = type, .pirq = 7777};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, &f);
  xs_printf("get_free_pirq %s: %s, %u\n", what, xs_result(r), f.pirq);
}
static void pirqs(void) {
  xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 0);
  say_map("a GSI without a callback vector", DOMID_SELF, 1, 9, -1);
  xs_events_init();
  say_map("type 0", DOMID_SELF, 0, 9, -1);
  say_map("type 2", DOMID_SELF, 2, 9, -1);
  say_map("type 4", DOMID_SELF, 4, 9, -1);
  say_map("type 99", DOMID_SELF, 99, 9, -1);
  say_map("GSI -1", DOMID_SELF, 1, -1, -1);
  say_map("GSI 64", DOMID_SELF, 1, 64, -1);
  say_map("GSI 63", DOMID_SELF, 1, 63, -1);
  say_map("GSI 9", DOMID_SELF, 1, 9, -1);
  say_map("GSI 9 again", DOMID_SELF, 1, 9, -1);
  say_map("GSI 10 as pirq 20", DOMID_SELF, 1, 10, 20);
  say_map("GSI 10 as pirq 21", DOMID_SELF, 1, 10, 21);
  say_map("GSI 11 as pirq 20", DOMID_SELF, 1, 11, 20);
  say_map("GSI 12 as pirq 9999", DOMID_SELF, 1, 12, 9999);
  say_map("GSI 13 of domain 0", 0, 1, 13, -1);
  say_map("GSI 13 of domain 99", 99, 1, 13, -1);
  say_status("pirq 20", 20);
  say_status("pirq 30", 30);
  say_status("pirq 0", 0);
  say_status("pirq 9999", 9999);
  say_status("pirq ~0", ~0u);
  say_unmap("pirq 20", DOMID_SELF, 20);
  say_unmap("pirq 20 again", DOMID_SELF, 20);
  say_unmap("pirq -1", DOMID_SELF, -1);
  say_unmap("pirq 9999", DOMID_SELF, 9999);
  say_unmap("pirq 20 of domain 0", 0, 20);
  say_unmap("pirq 20 of domain 99", 99, 20);
  say_free("of type 0", 0);
  say_free("of type 1", 1);
  say_free("of type 2", 2);
  say_free("of type 99", 99);
  struct evtchn_bind_pirq b = {.pirq = 25};
  say_map("GSI 14 as pirq 25", DOMID_SELF, 1, 14, 25);
  say("bind pirq 25", xs_evtchn_op(EVTCHNOP_bind_pirq, &b));
  say_status("bound pirq 25", 25);
  say_unmap("bound pirq 25", DOMID_SELF, 25);
  say("close its port", xs_evtchn_close(b.port));
  say_unmap("pirq 25", DOMID_SELF, 25);
}


static const unsigned ops[] = {PHYSDEVOP_irq_status_query, PHYSDEVOP_eoi, PHYSDEVOP_map_pirq, PHYSDEVOP_unmap_pirq, PHYSDEVOP_get_free_pirq, 17, 28, 99};

/* A call that is known comes before each: KVM with QEMU shows what it answered where a 32-bit map_pirq cannot be read. */
static void bad_pointers(void) {
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    xs_hypercall2(__HYPERVISOR_physdev_op, 99, 0);
    SHOW_AS(xs_hypercall2(__HYPERVISOR_physdev_op, ops[i], probe_edge()), "physdev_op %u, bad pointer after -ENOSYS", ops[i]);
    struct evtchn_close none = {.port = ~0u};
    xs_evtchn_op(EVTCHNOP_close, &none);
    SHOW_AS(xs_hypercall2(__HYPERVISOR_physdev_op, ops[i], probe_edge()), "physdev_op %u, bad pointer after -EINVAL", ops[i]);
    xs_xen_version(XENVER_version, 0);
    SHOW_AS(xs_hypercall2(__HYPERVISOR_physdev_op, ops[i], probe_edge()), "physdev_op %u, bad pointer after xen_version", ops[i]);
  }
}

void xs_main(void) {
  SHOW(xs_xen_version(XENVER_pagesize, 0));
  SHOW(xs_xen_version(XENVER_pagesize, probe_edge()));
  SHOW(xs_console_io(CONSOLEIO_write, 0x7fffffff, ""));
  SHOW(xs_console_io(CONSOLEIO_write, (int)0x80000000, ""));
  bad_pointers();
  pirqs();
  xs_success();
}
