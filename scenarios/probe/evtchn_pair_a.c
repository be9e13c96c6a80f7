/* Channels between two domains, seen from domain 1, which offers the ports. Runs with evtchn_pair_b. */
#include "evtchn_pair.h"

static evtchn_port_t t1, t2, t3, t4, t5;

static unsigned upcall(void) {
  unsigned pending = XS_XCHG(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  return pending;
}

static void events(void) {
  status("t1 bound by the peer", t1);
  SHOW_AS(xs_send(t1), "send t1");
  SHOW_AS(xs_send(t1), "send t1 again");
  xs_event_mask(t1);
  upcall();
  other_turn();
  xs_printf("t1 masked: pending %u, upcall %u\n", xs_event_pending(t1), upcall());
  SHOW_AS(xs_unmask(t1), "unmask t1");
  xs_printf("t1: pending %u, upcall %u\n", xs_event_clear(t1), upcall());
  evtchn_port_t poll = t1;
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  give_turn();
  while (!xs_event_pending(t1)) xs_poll(&poll, 1, xs_now_ns() + 100 * XS_MS);
  xs_printf("t1 polled: pending %u\n", xs_event_clear(t1));
  take_turn();
}

static void close_and_rebind(void) {
  struct evtchn_status s;
  evtchn_port_t again = 0;
  XS_CHECK(!xs_evtchn_status(DOMID_SELF, control, &s));
  SHOW_AS(xs_evtchn_close(t1), "close t1");
  status("t1", t1);
  other_turn();
  SHOW_AS(xs_bind_interdomain(DOMAIN_B, s.u.interdomain.port + 1, &again), "bind_interdomain with the peer's end of t1");
  xs_printf("the same port: %s\n", again == t1 ? "yes" : "no");
  status("t1", t1);
  SHOW_AS(xs_bind_interdomain(DOMAIN_B, s.u.interdomain.port + 1, &again), "once more");
  other_turn();
  status("t1 closed by the peer", t1);
  SHOW_AS(xs_send(t1), "send t1");
  SHOW_AS(xs_evtchn_close(t1), "close t1");
}

void xs_main(void) {
  XS_CHECK(!xs_alloc_unbound(DOMID_SELF, DOMAIN_B, &control));
  xs_event_mask(control);
  XS_CHECK(!xs_alloc_unbound(DOMID_SELF, DOMAIN_B, &t1) && !xs_alloc_unbound(DOMID_SELF, 77, &t2));
  XS_CHECK(!xs_bind_ipi(0, &t3) && !xs_alloc_unbound(DOMID_SELF, DOMAIN_B, &t4) && !xs_alloc_unbound(DOMID_SELF, DOMAIN_B, &t5));
  xs_printf("t1 to t5 follow control: %u\n", t5 == control + 5);
  SHOW_AS(xs_send(t1), "send t1, unbound");
  take_turn();
  events();
  close_and_rebind();
  status("t4 before", t4);
  other_turn();
  status("t4 closed by the peer", t4);
  SHOW_AS(xs_evtchn_close(t4), "close t4");
  status("t5", t5);
  give_turn();
  struct evtchn_status s;
  while (!xs_evtchn_status(DOMID_SELF, control, &s) && s.status == EVTCHNSTAT_interdomain)
    xs_poll(&control, 1, xs_now_ns() + 20 * XS_MS);
  status("t5 after the peer's reset", t5);
  SHOW_AS(xs_send(t5), "send t5");
  SHOW_AS(xs_evtchn_reset(DOMAIN_B), "reset of the peer");
  xs_success();
}
