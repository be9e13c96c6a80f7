/* What grant_pair_a (domain 1) and grant_pair_b (domain 2) agree on. */
#ifndef XENSIM_PROBE_GRANT_PAIR_H_
#define XENSIM_PROBE_GRANT_PAIR_H_

#include "grant.h"

#define DOMAIN_A 1
#define DOMAIN_B 2

/* Entries of domain 1; the first is a reserved one, which a version switch keeps. */
enum { REF_SHARED = 5, REF_PAGE = 8, REF_PART, REF_READ_ONLY, REF_FREE };
/* Of domain 2: each leads to one of domain 1. */
enum { REF_LENT = 8, REF_LENT_READ_ONLY, REF_LENT_OF_READ_ONLY, REF_LENT_OF_PART, REF_LENT_OF_FREE, REF_LENT_TWICE, REF_FOR_B, REF_BEYOND };

struct shared {
  uint32_t step_of_a, step_of_b;
};

/* Gives way for a millisecond. */
static inline void nap(void) {
  static evtchn_port_t port;
  if (!port && xs_bind_ipi(0, &port)) xs_error("no port to nap on");
  xs_event_mask(port);
  xs_poll(&port, 1, xs_now_ns() + XS_MS);
}
static inline void wait_until(const uint32_t* step, uint32_t value) {
  while (XS_LOAD(step) < value) nap();
}

#endif
