/* Timers of a vCPU, each one an upcall of VIRQ_TIMER: VCPUOP_set_singleshot_timer, set_periodic_timer and set_timer_op.
 * Expected: each fires once its time has come, never before; a past deadline fires at once. 1 vCPU. */
#include "xs.h"

static volatile unsigned ticks; /* the upcall's and this vCPU's alone */
static evtchn_port_t timer;

static void on_timer(evtchn_port_t port) {
  (void)port;
  ticks++;
}

/* Waits for the tick of a timer that was set to `deadline`. */
static void expect_tick(const char* what, long result, uint64_t deadline) {
  if (result == 0) XS_WAIT(ticks > 0);
  uint64_t now = xs_now_ns();
  xs_printf("%s: %s, %u tick, %s\n", what, xs_result(result), ticks, now >= deadline ? "not early" : "too early");
  ticks = 0;
}

/* Lets some time pass with interrupts on, and says whether a tick came. */
static void see_whether_it_ticks(const char* what, long result) {
  xs_sti();
  xs_spin_ns(5 * XS_MS);
  xs_cli();
  xs_printf("%s: %s, %u ticks\n", what, xs_result(result), ticks);
  ticks = 0;
}

static void singleshot(void) {
  uint64_t deadline = xs_now_ns() + 5 * XS_MS;
  expect_tick("singleshot", xs_set_singleshot(0, deadline, 0), deadline);
  expect_tick("singleshot in the past", xs_set_singleshot(0, deadline, 0), deadline);
  see_whether_it_ticks("the same with the future flag", xs_set_singleshot(0, deadline, VCPU_SSHOTTMR_future));
  deadline = xs_now_ns() + 2 * XS_MS;
  xs_set_singleshot(0, deadline, 0);
  see_whether_it_ticks("stopped", xs_stop_singleshot(0));
  xs_printf("vCPU that is not there: %s\n", xs_result(xs_set_singleshot(77, deadline, 0)));
}

static void periodic(void) {
  xs_printf("period of 100 us: %s\n", xs_result(xs_set_periodic(0, XS_MS / 10)));
  long r = xs_set_periodic(0, 2 * XS_MS);
  xs_sti();
  for (unsigned i = 0; i < 500 && ticks < 3 && r == 0; i++) xs_spin_ns(XS_MS);
  xs_cli();
  xs_printf("period of 2 ms: %s, %s\n", xs_result(r), ticks >= 3 ? "ticks" : "does not tick");
  r = xs_stop_periodic(0);
  xs_sti();
  xs_cli();
  ticks = 0;
  see_whether_it_ticks("stopped", r);
}

void xs_main(void) {
  xs_events_init();
  long r = xs_bind_virq(VIRQ_TIMER, 0, &timer);
  if (r) xs_failure("bind_virq: %s", xs_result(r));
  xs_on_event(timer, on_timer);
  singleshot();
  periodic();
  uint64_t deadline = xs_now_ns() + 3 * XS_MS;
  expect_tick("set_timer_op", xs_set_timer_op(deadline), deadline);
  expect_tick("set_timer_op in the past", xs_set_timer_op(deadline), deadline);
  xs_set_timer_op(xs_now_ns() + 2 * XS_MS);
  see_whether_it_ticks("set_timer_op 0", xs_set_timer_op(0));
  xs_success();
}
