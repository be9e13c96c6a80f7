/* What both domains of interdomain_a and interdomain_b agree on: they are domains 1 and 2. */
#ifndef XENSIM_GUEST_PROGRAMS_INTERDOMAIN_H_
#define XENSIM_GUEST_PROGRAMS_INTERDOMAIN_H_

#include "xs.h"

#define DOMAIN_A 1
#define DOMAIN_B 2
#define ROUNDS 3u

/* Waits a millisecond on a masked port that nobody sends. */
static inline void nap(void) {
  static evtchn_port_t port;
  if (!port && xs_bind_ipi(0, &port)) xs_error("no port to nap on");
  xs_event_mask(port);
  xs_poll(&port, 1, xs_now_ns() + XS_MS);
}

#endif
