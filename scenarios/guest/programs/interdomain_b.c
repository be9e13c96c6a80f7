/* The other end: domain 2 tries the first ports of domain 1 until one is for it, then sends and waits for the answer.
 * Expected: binding raises the local port once, then one answer a round. Xen only; 1 vCPU; runs with interdomain_a. */
#include "interdomain.h"

static volatile unsigned events; /* the upcall's and this vCPU's alone */

static void on_event(evtchn_port_t port) {
  (void)port;
  events++;
}

static evtchn_port_t connect(evtchn_port_t* remote) {
  evtchn_port_t local = 0;
  for (;; nap())
    for (*remote = 1; *remote < 16; ++*remote)
      if (xs_bind_interdomain(DOMAIN_A, *remote, &local) == 0) return local;
}

void xs_main(void) {
  evtchn_port_t remote, other;
  evtchn_port_t port = connect(&remote);
  xs_printf("connected, pending: %u\n", xs_event_clear(port));
  xs_printf("bind a second time: %s\n", xs_result(xs_bind_interdomain(DOMAIN_A, remote, &other)));
  struct evtchn_status status;
  long r = xs_evtchn_status(DOMID_SELF, port, &status);
  xs_printf("status: %s, %u, domain %u\n", xs_result(r), status.status, status.u.interdomain.dom);
  XS_CHECK(status.u.interdomain.port == remote);
  xs_on_event(port, on_event);
  xs_events_init();
  for (unsigned round = 1; round <= ROUNDS; round++) {
    r = xs_send(port);
    XS_WAIT(events == round);
    xs_printf("round %u: send %s, answered\n", round, xs_result(r));
  }
  xs_printf("close: %s\n", xs_result(xs_evtchn_close(port)));
  xs_success();
}
