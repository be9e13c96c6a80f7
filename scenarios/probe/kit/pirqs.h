/* What is asked of PHYSDEVOPs of PIRQs: the same of a guest that has none as of one that has. Two probes ask, each in words of its
 * own, by which tests know their lines; so this is no part of what is linked into every probe. */
#ifndef XENSIM_PROBE_PIRQS_H_
#define XENSIM_PROBE_PIRQS_H_

#include "probe.h"

#include <xen/physdev.h>

/* How a probe names the calls. */
struct probe_pirq_words {
  const char *map, *unmap, *status, *get_free;
  int eoi_apart; /* an EOI's answer on a line of its own, not behind the status */
};

static void probe_pirq_map(const struct probe_pirq_words* words, const char* what, domid_t dom, int type, int index, int pirq) {
  struct physdev_map_pirq m = {.domid = dom, .type = type, .index = index, .pirq = pirq};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &m);
  xs_printf("%s %s: %s, pirq %d\n", words->map, what, xs_result(r), m.pirq);
}
static void probe_pirq_unmap(const struct probe_pirq_words* words, const char* what, domid_t dom, int pirq) {
  struct physdev_unmap_pirq u = {.domid = dom, .pirq = pirq};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_unmap_pirq, &u);
  xs_printf("%s %s: %s\n", words->unmap, what, xs_result(r));
}
static void probe_pirq_status(const struct probe_pirq_words* words, const char* what, uint32_t irq) {
  struct physdev_irq_status_query q = {.irq = irq, .flags = 0x99};
  struct physdev_eoi e = {.irq = irq};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_irq_status_query, &q);
  xs_printf("%s of %s: %s, flags 0x%x", words->status, what, xs_result(r), q.flags);
  if (words->eoi_apart) {
    xs_printf("\neoi of %s: ", what);
  } else {
    xs_printf(", eoi ");
  }
  xs_printf("%s\n", xs_result(xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_eoi, &e)));
}
static void probe_pirq_free(const struct probe_pirq_words* words, const char* what, int type) {
  struct physdev_get_free_pirq f = {.type = type, .pirq = 7777};
  long r = xs_hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_get_free_pirq, &f);
  xs_printf("%s %s: %s, %u\n", words->get_free, what, xs_result(r), f.pirq);
}

/* All of it. */
static void probe_pirqs(const struct probe_pirq_words* words) {
  xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 0);
  probe_pirq_map(words, "a GSI without a callback vector", DOMID_SELF, 1, 9, -1);
  xs_events_init();
  probe_pirq_map(words, "type 0", DOMID_SELF, 0, 9, -1);
  probe_pirq_map(words, "type 2", DOMID_SELF, 2, 9, -1);
  probe_pirq_map(words, "type 4", DOMID_SELF, 4, 9, -1);
  probe_pirq_map(words, "type 99", DOMID_SELF, 99, 9, -1);
  probe_pirq_map(words, "GSI -1", DOMID_SELF, 1, -1, -1);
  probe_pirq_map(words, "GSI 64", DOMID_SELF, 1, 64, -1);
  probe_pirq_map(words, "GSI 63", DOMID_SELF, 1, 63, -1);
  probe_pirq_map(words, "GSI 9", DOMID_SELF, 1, 9, -1);
  probe_pirq_map(words, "GSI 9 again", DOMID_SELF, 1, 9, -1);
  probe_pirq_map(words, "GSI 10 as pirq 20", DOMID_SELF, 1, 10, 20);
  probe_pirq_map(words, "GSI 10 as pirq 21", DOMID_SELF, 1, 10, 21);
  probe_pirq_map(words, "GSI 11 as pirq 20", DOMID_SELF, 1, 11, 20);
  probe_pirq_map(words, "GSI 12 as pirq 9999", DOMID_SELF, 1, 12, 9999);
  probe_pirq_map(words, "GSI 13 of domain 0", 0, 1, 13, -1);
  probe_pirq_map(words, "GSI 13 of domain 99", 99, 1, 13, -1);
  probe_pirq_status(words, "pirq 20", 20);
  probe_pirq_status(words, "pirq 30", 30);
  probe_pirq_status(words, "pirq 0", 0);
  probe_pirq_status(words, "pirq 9999", 9999);
  probe_pirq_status(words, "pirq ~0", ~0u);
  probe_pirq_unmap(words, "pirq 20", DOMID_SELF, 20);
  probe_pirq_unmap(words, "pirq 20 again", DOMID_SELF, 20);
  probe_pirq_unmap(words, "pirq -1", DOMID_SELF, -1);
  probe_pirq_unmap(words, "pirq 9999", DOMID_SELF, 9999);
  probe_pirq_unmap(words, "pirq 20 of domain 0", 0, 20);
  probe_pirq_unmap(words, "pirq 20 of domain 99", 99, 20);
  probe_pirq_free(words, "of type 0", 0);
  probe_pirq_free(words, "of type 1", 1);
  probe_pirq_free(words, "of type 2", 2);
  probe_pirq_free(words, "of type 99", 99);
  struct evtchn_bind_pirq b = {.pirq = 25};
  probe_pirq_map(words, "GSI 14 as pirq 25", DOMID_SELF, 1, 14, 25);
  probe_result(xs_result(xs_evtchn_op(EVTCHNOP_bind_pirq, &b)), "bind pirq 25");
  probe_pirq_status(words, "bound pirq 25", 25);
  probe_pirq_unmap(words, "bound pirq 25", DOMID_SELF, 25);
  probe_result(xs_result(xs_evtchn_close(b.port)), "close its port");
  probe_pirq_unmap(words, "pirq 25", DOMID_SELF, 25);
}

#endif
