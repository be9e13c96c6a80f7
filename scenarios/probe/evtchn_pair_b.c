/* Channels between two domains, seen from domain 2, which binds to the ports of domain 1. Runs with evtchn_pair_a. */
#include "evtchn_pair.h"

static evtchn_port_t t1, t4, t5, remote; /* remote: the control channel's number there; t1 to t5 follow it */

static void connect(void) {
  static evtchn_port_t nap;
  XS_CHECK(!xs_bind_virq(VIRQ_DEBUG, 0, &nap));
  for (;;) {
    for (remote = 1; remote < 16; remote++)
      if (xs_bind_interdomain(DOMAIN_A, remote, &control) == 0) {
        xs_event_mask(control);
        xs_event_clear(control);
        return;
      }
    xs_poll(&nap, 1, xs_now_ns() + 20 * XS_MS);
  }
}

static void bind_errors(void) {
  struct evtchn_status s;
  evtchn_port_t port;
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote, &port), "bind_interdomain with a bound port");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 2, &port), "bind_interdomain with a port for 77");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 3, &port), "bind_interdomain with an IPI");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, 0, &port), "bind_interdomain with port 0");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, 1, &port), "bind_interdomain with the toolstack's port");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 6, &port), "bind_interdomain with a free port");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, BEYOND, &port), "bind_interdomain with a port beyond all");
  SHOW_AS(xs_alloc_unbound(DOMAIN_A, DOMID_SELF, &port), "alloc_unbound in the peer");
  SHOW_AS(xs_evtchn_status(DOMAIN_A, remote, &s), "status in the peer");
  SHOW_AS(xs_evtchn_status(DOMAIN_A, BEYOND, &s), "status in the peer, port beyond all");
  SHOW_AS(xs_evtchn_reset(DOMAIN_A), "reset of the peer");
}

void xs_main(void) {
  connect();
  bind_errors();
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 1, &t1), "bind_interdomain with t1");
  status("t1", t1);
  xs_event_clear(t1);
  other_turn();
  xs_printf("t1 raised: %u\n", xs_event_clear(t1));
  SHOW_AS(xs_send(t1), "send t1");
  other_turn();
  SHOW_AS(xs_send(t1), "send t1");
  other_turn();
  status("t1 closed by the peer", t1);
  SHOW_AS(xs_send(t1), "send t1");
  other_turn();
  status("t1 bound by the peer", t1);
  SHOW_AS(xs_evtchn_close(t1), "close t1");
  SHOW_AS(xs_evtchn_close(t1), "close t1 again");
  other_turn();
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 4, &t4), "bind_interdomain with t4");
  SHOW_AS(xs_send(t4), "send t4");
  SHOW_AS(xs_evtchn_close(t4), "close t4");
  SHOW_AS(xs_bind_interdomain(DOMAIN_A, remote + 5, &t5), "bind_interdomain with t5");
  other_turn();
  SHOW_AS(xs_evtchn_reset(DOMID_SELF), "reset");
  status("t5", t5);
  xs_success();
}
