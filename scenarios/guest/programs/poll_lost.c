/* The wake-up that mainline KVM loses (poller.c), without the race: vCPU 0 sends only when vCPU 1 certainly sleeps in SCHEDOP_poll.
 * Expected: Xen wakes it. KVM never does: a timer of vCPU 0 ends the wait, and the guest says so. 2 vCPUs; both answers are right
 * here, so both power off. */
#include "xs.h"

static evtchn_port_t awaited; /* masked, bound to vCPU 0 */
static evtchn_port_t announce, woke, timer;
static unsigned announced, acknowledged, timed_out; /* vCPU 0's own: its upcall sets them */

static void on_event(evtchn_port_t port) {
  if (port == announce) announced = 1;
  if (port == woke) acknowledged = 1;
  if (port == timer) timed_out = 1;
}

static void poll(unsigned vcpu) {
  (void)vcpu;
  xs_send(announce);
  long r = xs_poll(&awaited, 1, 0);
  if (r) xs_failure("poll: %s", xs_result(r));
  xs_send(woke);
}

static void set_timer(uint64_t ns) {
  timed_out = 0;
  long r = xs_set_singleshot(0, xs_now_ns() + ns, 0);
  if (r) xs_error("set_singleshot_timer: %s", xs_result(r));
}

static void bind_ipi(evtchn_port_t* port) {
  long r = xs_bind_ipi(0, port);
  if (r) xs_error("bind_ipi: %s", xs_result(r));
  xs_on_event(*port, on_event);
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  bind_ipi(&awaited);
  bind_ipi(&announce);
  bind_ipi(&woke);
  long r = xs_bind_virq(VIRQ_TIMER, 0, &timer);
  if (r) xs_error("bind_virq: %s", xs_result(r));
  xs_on_event(timer, on_event);
  xs_event_mask(awaited);
  xs_start_vcpus(2, poll);
  XS_WAIT(announced);
  set_timer(100 * XS_MS);
  XS_WAIT(timed_out);
  r = xs_send(awaited);
  xs_printf("send: %s\n", xs_result(r));
  set_timer(200 * XS_MS);
  XS_WAIT(acknowledged || timed_out);
  xs_printf("%s\n", acknowledged ? "woken" : "never woken");
  xs_success();
}
