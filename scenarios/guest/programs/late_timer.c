/* A timer that is set too late (corpus entry B-X24; Xen before commit 19c6cbd90965). The guest reads the clock, works out a deadline
 * and asks for it with VCPU_SSHOTTMR_future.
 *   1. The guest reads the time and adds its delta.
 *   2. It is held up by the host, or by another vCPU: time passes.
 *   3. The hypercall: the deadline is past. With the flag Xen answered -ETIME and sent no event.
 *   4. The guest tries again with twice the delta, as often as Linux did, and then gives up: its clock event is dead.
 * Since then a late timer sends its event at once, flag or not.
 * Expected: "3 timers set, 3 events". 2 vCPUs. */
#include "xs.h"

#define TRIES 2
static evtchn_port_t timer;
static volatile unsigned events; /* vCPU 0's own: its upcall counts */
static unsigned busy;            /* both vCPUs count it up */

static void on_timer(evtchn_port_t which) {
  (void)which;
  events++;
}

static void work(unsigned vcpu) {
  (void)vcpu;
  for (;;) {
    XS_FETCH_ADD(&busy, 1);
    xs_pause();
  }
}

/* As Linux' clockevents_program_min_delta(). */
static void program(void) {
  uint64_t delta = 800;
  for (unsigned try = 0; try < TRIES; try++, delta *= 2) {
    uint64_t deadline = xs_now_ns() + delta;
    XS_FETCH_ADD(&busy, 1);
    if (xs_set_singleshot(0, deadline, VCPU_SSHOTTMR_future) == 0) return;
  }
  xs_failure("the timer is late %u times in a row: the guest gives its clock up", TRIES);
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  long r = xs_bind_virq(VIRQ_TIMER, 0, &timer);
  if (r) xs_failure("bind_virq: %s", xs_result(r));
  xs_on_event(timer, on_timer);
  xs_events_init();
  xs_start_vcpus(2, work);
  for (unsigned n = 1; n <= 3; n++) {
    program();
    XS_WAIT(events == n);
  }
  xs_printf("3 timers set, %u events\n", events);
  xs_success();
}
