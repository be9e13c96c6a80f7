/* Row A8, PHYSDEVOPs of PIRQs: those of a type=hvm domain (`record --hvm`), and of every guest on KVM with QEMU. Also what both say in
 * odd ways: XENVER_pagesize, console_io's counts. ELF only, 1 vCPU. */
#include "pirqs.h"

static const struct probe_pirq_words pirq_words = {
    .map = "map_pirq", .unmap = "unmap_pirq", .status = "irq_status_query", .get_free = "get_free_pirq", .eoi_apart = 1};

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
  probe_pirqs(&pirq_words);
  xs_success();
}
