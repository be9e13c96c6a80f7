/* How many event channels there are: the domain's limit and the layout's, what each way of binding says at the end, and that a
 * closed port is given out again, the lowest first. */
#include "probe.h"

static long pirq_port(evtchn_port_t* port) {
  struct evtchn_bind_pirq op = {.pirq = 3};
  long r = xs_evtchn_op(EVTCHNOP_bind_pirq, &op);
  *port = op.port;
  return r;
}

static void at_the_end(void) {
  evtchn_port_t port;
  SHOW_AS(xs_bind_ipi(0, &port), "bind_ipi at the end");
  SHOW_AS(xs_bind_ipi(77, &port), "bind_ipi 77 at the end");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &port), "bind_virq at the end");
  SHOW_AS(pirq_port(&port), "bind_pirq at the end");
  SHOW_AS(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port), "alloc_unbound at the end");
  SHOW_AS(xs_bind_interdomain(DOMID_SELF, 5, &port), "bind_interdomain at the end, with a port that cannot be bound");
  SHOW_AS(xs_bind_interdomain(77, 5, &port), "bind_interdomain at the end, no domain");
}

void xs_main(void) {
  evtchn_port_t last = 0, port = 0;
  long error;
  probe_bind_all(&last, &error);
  xs_printf("2-level: the last port is %u, then %s\n", last, xs_result(error));
  at_the_end();
  SHOW_AS(xs_send(last), "send on the last port");
  xs_printf("pending: %u\n", xs_event_pending(last));
  SHOW_AS(xs_send(last + 1), "send on the next");
  SHOW_AS(xs_unmask(last + 1), "unmask the next");
  SHOW_AS(xs_evtchn_close(last + 1), "close the next");
  SHOW_AS(xs_evtchn_close(500), "close 500");
  SHOW_AS(xs_evtchn_close(100), "close 100");
  SHOW_AS(xs_evtchn_close(101), "close 101");
  xs_bind_virq(VIRQ_TIMER, 0, &port);
  xs_printf("bind_virq gets %u\n", port);
  pirq_port(&port);
  xs_printf("bind_pirq gets %u\n", port);
  xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port);
  xs_printf("alloc_unbound gets %u\n", port);
  at_the_end();
  xs_success();
}
