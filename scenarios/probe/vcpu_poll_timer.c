/* Row A4: what a poll's timeout does after an event has ended its poll. Xen leaves the timer armed, so that it may end a later poll,
 * one without a timeout even; KVM takes it back. ELF only. */
#include "probe.h"

static evtchn_port_t timer;

/* Polls for this vCPU's timer event, which comes after `event_ms`. How long it took. */
static uint64_t poll_ns(unsigned event_ms, uint64_t timeout_ns) {
  uint64_t start = xs_now_ns();
  XS_CHECK(xs_set_singleshot(0, start + event_ms * XS_MS, 0) == 0);
  XS_CHECK(xs_poll(&timer, 1, timeout_ns) == 0);
  return xs_now_ns() - start;
}

void xs_main(void) {
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  xs_event_mask(timer);
  xs_events_init();
  uint64_t first = poll_ns(20, xs_now_ns() + 1000 * XS_MS);
  xs_printf("a poll with a timeout of 1 s, ended by an event: %s\n", first < 800 * XS_MS ? "yes" : "no");
  xs_event_clear(timer);
  uint64_t second = poll_ns(8000, 0);
  xs_printf("the next, without a timeout: ended by %s\n", second < 6000 * XS_MS ? "the first one's timeout" : "an event");
  xs_success();
}
