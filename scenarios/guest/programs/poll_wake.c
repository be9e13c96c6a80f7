/* SCHEDOP_poll: what makes it return. The ports are masked, so no upcall comes.
 * Expected: 0 for a port already pending, after a timeout and when another vCPU sends; -EINVAL for what is not a port.
 * On Xen the timeout is absolute system time. KVM takes it as relative, lets a closed port pass and does not wake for another
 * vCPU's send. 2 vCPUs. */
#include "xs.h"

static evtchn_port_t port, timer; /* what vCPU 0 polls; vCPU 1's timer */
static volatile unsigned timed_out; /* vCPU 1's own: its upcall sets it */

static void on_timer(evtchn_port_t which) {
  (void)which;
  timed_out = 1;
}

static void wait(uint64_t ns) {
  timed_out = 0;
  xs_set_singleshot(1, xs_now_ns() + ns, 0);
  XS_WAIT(timed_out);
}

static void send_later(unsigned vcpu) {
  (void)vcpu;
  wait(5 * XS_MS);
  xs_send(port);
  wait(300 * XS_MS);
  xs_printf("sent by vCPU 1: still asleep, pending: %u\n", xs_event_pending(port));
  xs_success();
}

static void timeout(void) {
  while (xs_now_ns() < 300 * XS_MS) xs_poll(&port, 1, 300 * XS_MS); /* so that absolute and relative differ */
  uint64_t start = xs_now_ns();
  long r = xs_poll(&port, 1, start + 10 * XS_MS);
  uint64_t waited = xs_now_ns() - start;
  xs_printf("timeout in 10 ms: %s, %s, taken as %s\n", xs_result(r), waited < 10 * XS_MS ? "too early" : "not early",
            waited > 200 * XS_MS ? "relative" : "absolute");
  xs_printf("timeout in the past: %s\n", xs_result(xs_poll(&port, 1, 1)));
}

static void errors(void) {
  static evtchn_port_t many[129];
  for (unsigned i = 0; i < 129; i++) many[i] = port;
  evtchn_port_t closed, beyond = 1u << 20;
  long r = xs_bind_ipi(0, &closed);
  if (r) xs_error("bind_ipi: %s", xs_result(r));
  xs_evtchn_close(closed);
  xs_printf("no port, a timeout: %s\n", xs_result(xs_poll(many, 0, xs_now_ns() + XS_MS)));
  xs_printf("129 ports: %s\n", xs_result(xs_poll(many, 129, 1)));
  xs_printf("128 ports: %s\n", xs_result(xs_poll(many, 128, 1)));
  xs_printf("port 2^20: %s\n", xs_result(xs_poll(&beyond, 1, 1)));
  xs_printf("closed port: %s\n", xs_result(xs_poll(&closed, 1, 1)));
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  long r = xs_bind_ipi(0, &port);
  if (r) xs_failure("bind_ipi: %s", xs_result(r));
  r = xs_bind_virq(VIRQ_TIMER, 1, &timer);
  if (r) xs_failure("bind_virq: %s", xs_result(r));
  xs_on_event(timer, on_timer);
  xs_events_init();
  xs_event_mask(port);
  r = xs_send(port);
  xs_printf("send: %s, pending: %u\n", xs_result(r), xs_event_pending(port));
  xs_printf("already pending: %s\n", xs_result(xs_poll(&port, 1, 0)));
  xs_printf("poll leaves it pending: %s\n", xs_event_clear(port) ? "yes" : "no");
  timeout();
  errors();
  xs_start_vcpus(2, send_later);
  r = xs_poll(&port, 1, 0);
  xs_printf("sent by vCPU 1: woken, %s, pending: %u\n", xs_result(r), xs_event_pending(port));
  xs_success();
}
