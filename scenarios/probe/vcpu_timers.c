/* Row A5: singleshot and periodic timers, set_timer_op: limits, special values, whose timer it is. ELF only, 2 vCPUs; vCPU 1 is
 * never started. */
#include "probe.h"

static evtchn_port_t timer; /* masked */

static long op(unsigned cmd, unsigned vcpu, const volatile void* argument) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, argument);
}

/* Sleeps until the timer's event or a while; a poll's timeout is absolute on Xen and relative on KVM, which has no watchdogs. */
static void sleep_ms(unsigned ms) {
  struct sched_watchdog none = {.id = 9};
  int relative = xs_sched_op(SCHEDOP_watchdog, &none) == -XEN_ENOSYS;
  xs_poll(&timer, 1, (relative ? 0 : xs_now_ns()) + ms * XS_MS);
}

/* When the timer's event comes, of what was armed at `start`. The limits are wide: real machines are slow at times. */
static const char* fires(uint64_t start) {
  while (!xs_event_pending(timer)) {
    if (xs_now_ns() - start > 700 * XS_MS) return "never";
    sleep_ms(750);
  }
  uint64_t after = xs_now_ns() - start;
  xs_event_clear(timer);
  return after < 95 * XS_MS ? "at once" : "later";
}

static void singleshot(const char* what, uint64_t deadline_ns, uint32_t flags) {
  uint64_t start = xs_now_ns();
  long r = xs_set_singleshot(0, deadline_ns, flags);
  int at_once = xs_event_clear(timer);
  xs_printf("singleshot at %s: %s, fires %s\n", what, xs_result(r), at_once ? "in the call" : fires(start));
  xs_stop_singleshot(0);
}

static void set_timer(const char* what, uint64_t deadline_ns) {
  uint64_t start = xs_now_ns();
  long r = xs_set_timer_op(deadline_ns);
  xs_printf("set_timer_op %s: %s, fires %s\n", what, xs_result(r), fires(start));
  xs_set_timer_op(0);
}

static void singleshots(void) {
  singleshot("now + 200 ms", xs_now_ns() + 200 * XS_MS, 0);
  singleshot("now + 200 ms, future", xs_now_ns() + 200 * XS_MS, VCPU_SSHOTTMR_future);
  singleshot("now + 200 ms, unknown flags", xs_now_ns() + 200 * XS_MS, 0xfffffffe);
  singleshot("1", 1, 0);
  singleshot("1, future", 1, VCPU_SSHOTTMR_future);
  singleshot("0", 0, 0);
  singleshot("2^62", 1ull << 62, 0);
  singleshot("2^63 - 1", ~0ull >> 1, 0);
  singleshot("2^63", 1ull << 63, 0);
  singleshot("-1", ~0ull, 0);
  xs_set_singleshot(0, xs_now_ns() + 200 * XS_MS, 0);
  SHOW(xs_stop_singleshot(0));
  xs_printf("a stopped one fires %s\n", fires(xs_now_ns()));
  xs_set_singleshot(0, xs_now_ns() + 200 * XS_MS, 0);
  xs_set_timer_op(0);
  xs_printf("one that set_timer_op stopped fires %s\n", fires(xs_now_ns()));
}

static void set_timer_ops(void) {
  set_timer("now + 200 ms", xs_now_ns() + 200 * XS_MS);
  set_timer("0", 0);
  set_timer("1", 1);
  set_timer("now + 2^49", xs_now_ns() + (1ull << 49));
  set_timer("now + 2^51", xs_now_ns() + (1ull << 51));
  set_timer("2^62", 1ull << 62);
  set_timer("2^63", 1ull << 63);
  set_timer("-1", ~0ull);
}

static void whose(void) {
  const void* bad = probe_edge();
  for (unsigned vcpu = 0; vcpu < 3; vcpu++) {
    SHOW_AS(xs_set_singleshot(vcpu, ~0ull >> 1, 0), "set_singleshot_timer, vCPU %u", vcpu);
    SHOW_AS(op(VCPUOP_set_singleshot_timer, vcpu, bad), "set_singleshot_timer, vCPU %u, bad argument", vcpu);
    SHOW_AS(op(VCPUOP_stop_singleshot_timer, vcpu, bad), "stop_singleshot_timer, vCPU %u", vcpu);
    SHOW_AS(xs_set_periodic(vcpu, 1ull << 40), "set_periodic_timer, vCPU %u", vcpu);
    SHOW_AS(op(VCPUOP_set_periodic_timer, vcpu, bad), "set_periodic_timer, vCPU %u, bad argument", vcpu);
    SHOW_AS(op(VCPUOP_stop_periodic_timer, vcpu, bad), "stop_periodic_timer, vCPU %u", vcpu);
  }
  const char* end = bad;
  SHOW_AS(op(VCPUOP_set_singleshot_timer, 0, end - 8), "set_singleshot_timer, 8 bytes of argument");
  SHOW_AS(op(VCPUOP_set_singleshot_timer, 0, end - 12), "set_singleshot_timer, 12 bytes of argument");
  SHOW_AS(op(VCPUOP_set_singleshot_timer, 0, end - 16), "set_singleshot_timer, 16 bytes of argument");
  SHOW_AS(op(VCPUOP_set_periodic_timer, 0, end - 8), "set_periodic_timer, 8 bytes of argument");
  xs_stop_singleshot(0);
  xs_event_clear(timer);
}

static void period(const char* what, uint64_t period_ns) {
  long r = xs_set_periodic(0, period_ns);
  xs_stop_periodic(0);
  xs_printf("set_periodic_timer of %s: %s\n", what, xs_result(r));
}

static void periodic(void) {
  period("0", 0);
  period("999999", 999999);
  period("1000000", 1000000);
  period("2^62 - 1", ~0ull >> 2);
  period("2^62", 1ull << 62);
  period("2^63", 1ull << 63);
  period("-1", ~0ull);
  xs_event_clear(timer);

  /* Once a period has gone by since the last tick, setting it sends one. */
  xs_event_clear(timer);
  sleep_ms(250);
  xs_set_periodic(0, 200 * XS_MS);
  xs_printf("a tick when it is set: %u\n", xs_event_clear(timer));
  unsigned ticks = 0;
  uint64_t start = xs_now_ns();
  while (ticks < 3 && xs_now_ns() - start < 5000 * XS_MS) {
    xs_delay(1000000); /* awake: Xen's timer stands still while its vCPU sleeps */
    ticks += xs_event_clear(timer);
  }
  xs_printf("three ticks of 200 ms: %s\n", ticks < 3 ? "they do not come" : xs_now_ns() - start < 500 * XS_MS ? "too early" : "not early");
  SHOW(xs_stop_periodic(0));
  xs_event_clear(timer);
  sleep_ms(300);
  xs_printf("a tick after it was stopped: %u\n", xs_event_clear(timer));

  /* While the vCPU sleeps in a poll: of the timer's port, until a timeout. */
  xs_set_periodic(0, 50 * XS_MS);
  xs_event_clear(timer);
  start = xs_now_ns();
  xs_poll(&timer, 1, start + 1000 * XS_MS);
  uint64_t slept = xs_now_ns() - start;
  xs_printf("a vCPU that polls the timer's port: %s\n", slept < 900 * XS_MS ? "woken by a tick" : "no tick wakes it");
  xs_stop_periodic(0);
  xs_event_clear(timer);
}

/* The same without a port for VIRQ_TIMER. */
static void unbound(void) {
  SHOW(xs_set_singleshot(0, 1, 0));
  SHOW(xs_set_singleshot(0, 1, VCPU_SSHOTTMR_future));
  SHOW(xs_set_singleshot(0, ~0ull >> 1, 0));
  SHOW(xs_set_singleshot(1, ~0ull >> 1, 0));
  SHOW(xs_set_singleshot(7, ~0ull >> 1, 0));
  SHOW(op(VCPUOP_set_singleshot_timer, 0, probe_edge()));
  SHOW(op(VCPUOP_set_singleshot_timer, 1, probe_edge()));
  SHOW(op(VCPUOP_set_singleshot_timer, 0, probe_edge() - 12));
  SHOW(xs_stop_singleshot(0));
  SHOW(xs_stop_singleshot(1));
  SHOW(xs_stop_singleshot(7));
  SHOW(xs_set_timer_op(1));
  SHOW(xs_set_timer_op(~0ull));
  SHOW(xs_set_timer_op(0));
  SHOW(xs_set_periodic(0, 1000000000));
  SHOW(xs_stop_periodic(0));
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  unbound();
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  xs_event_mask(timer);
  xs_event_clear(timer);
  whose();
  singleshots();
  set_timer_ops();
  periodic();
  xs_success();
}
