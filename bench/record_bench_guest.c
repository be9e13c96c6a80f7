/* Guest for record_bench: what a run does when it does little else. By the definition that it is built with:
 * SEND: EVTCHNOP_send to its own masked-by-CLI port, which is pending already from the second call on.
 * DELIVER: the same with interrupts on, so that each call ends in an upcall whose handler counts it.
 * WORK: a send for each 1000 steps of a computation in registers, which is 5000 instructions of the fastest sort. */
#include "xs.h"

#define CALLS 20000u
#define STEPS 1000u

static unsigned upcalls;

static void count(evtchn_port_t port) {
  (void)port;
  upcalls++;
}

void xs_main(void) {
  evtchn_port_t port = 0;
  XS_CHECK(xs_bind_ipi(0, &port) == 0);
#if defined(DELIVER)
  xs_events_init();
  xs_on_event(port, count);
  xs_sti();
  for (unsigned i = 0; i < CALLS; i++) XS_CHECK(xs_send(port) == 0);
  XS_CHECK(*(volatile unsigned*)&upcalls == CALLS);
#elif defined(SEND)
  (void)count;
  for (unsigned i = 0; i < CALLS; i++) XS_CHECK(xs_send(port) == 0);
#else
  uint32_t sum = 1;
  (void)count;
  for (unsigned i = 0; i < CALLS / 4; i++) {
    for (unsigned step = 0; step < STEPS; step++) {
      sum = sum * 1664525u + 1013904223u;
      __asm__ volatile("" : "+r"(sum));
    }
    XS_CHECK(xs_send(port) == 0);
  }
#endif
  xs_success();
}
