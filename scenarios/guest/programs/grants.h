/* What grant_a (domain 1, which grants) and grant_b (domain 2, which uses) agree on. */
#ifndef XENSIM_GUEST_PROGRAMS_GRANTS_H_
#define XENSIM_GUEST_PROGRAMS_GRANTS_H_

#include "xs.h"

#define DOMAIN_A 1
#define DOMAIN_B 2

/* Grant references of domain 1, above the reserved ones. */
enum { REF_SHARED = 8, REF_READ_ONLY = 9, REF_COPY = 10, REF_NONE = 11 };

/* The page behind REF_SHARED: each side says how far it is. */
struct shared_page {
  unsigned step_of_b;
  unsigned step_of_a;
  char text[32];
};

static inline void nap(void) {
  static evtchn_port_t port;
  if (!port && xs_bind_ipi(0, &port)) xs_error("no port to nap on");
  xs_event_mask(port);
  xs_poll(&port, 1, xs_now_ns() + XS_MS);
}

static inline void wait_for(unsigned* step, unsigned value) {
  while (XS_LOAD(step) < value) nap();
}

#endif
