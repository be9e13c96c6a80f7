/* One end of a channel between two domains: this one, domain 1, offers a port to domain 2 and answers each event with one.
 * Expected: as many events as rounds; when the peer closes its end, ours is unbound again. Xen only; 1 vCPU; runs with interdomain_b. */
#include "interdomain.h"

static volatile unsigned events; /* the upcall's and this vCPU's alone */

static void on_event(evtchn_port_t port) {
  (void)port;
  events++;
}

void xs_main(void) {
  evtchn_port_t port, other;
  xs_events_init();
  long r = xs_alloc_unbound(DOMID_SELF, DOMAIN_B, &port);
  if (r) xs_failure("alloc_unbound: %s", xs_result(r));
  xs_on_event(port, on_event);
  xs_printf("~ port %u\n", port);
  for (unsigned round = 1; round <= ROUNDS; round++) {
    XS_WAIT(events == round);
    r = xs_send(port);
    xs_printf("round %u: answer %s\n", round, xs_result(r));
  }
  struct evtchn_status status;
  while (xs_evtchn_status(DOMID_SELF, port, &status) == 0 && status.status == EVTCHNSTAT_interdomain) nap();
  xs_printf("peer gone: status %u, for domain %u\n", status.status, status.u.unbound.dom);
  xs_printf("send to nobody: %s\n", xs_result(xs_send(port)));
  xs_printf("bind to no domain: %s\n", xs_result(xs_bind_interdomain(77, 1, &other)));
  xs_printf("%u events\n", events);
  xs_success();
}
