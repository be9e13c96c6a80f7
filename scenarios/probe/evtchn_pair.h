/* What the two domains of evtchn_pair_a and evtchn_pair_b share: domains 1 and 2, which take turns over a control channel. */
#ifndef XENSIM_PROBE_EVTCHN_PAIR_H_
#define XENSIM_PROBE_EVTCHN_PAIR_H_

#include "probe.h"

#define DOMAIN_A 1
#define DOMAIN_B 2
#define BEYOND 70000u

static evtchn_port_t control; /* masked: turns are polled for */

static inline void give_turn(void) {
  long r = xs_send(control);
  if (r) xs_error("the control channel: %s", xs_result(r));
}
static inline void take_turn(void) {
  while (!xs_event_pending(control)) xs_poll(&control, 1, xs_now_ns() + 100 * XS_MS);
  xs_event_clear(control);
}
static inline void other_turn(void) {
  give_turn();
  take_turn();
}

static inline void status(const char* name, evtchn_port_t port) {
  struct evtchn_status s;
  long r = xs_evtchn_status(DOMID_SELF, port, &s);
  if (r)
    xs_printf("%s: %s\n", name, xs_result(r));
  else if (s.status == EVTCHNSTAT_unbound)
    xs_printf("%s: unbound for domain %u, vCPU %u, pending %u\n", name, s.u.unbound.dom, s.vcpu, xs_event_pending(port));
  else if (s.status == EVTCHNSTAT_interdomain)
    xs_printf("%s: with domain %u port control + %d, vCPU %u, pending %u\n", name, s.u.interdomain.dom,
              (int)(s.u.interdomain.port - control), s.vcpu, xs_event_pending(port));
  else
    xs_printf("%s: kind %u, vCPU %u, pending %u\n", name, s.status, s.vcpu, xs_event_pending(port));
}

#endif
