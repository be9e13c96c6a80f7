/* A wake-up that mainline KVM loses: vCPU 1 waits in SCHEDOP_poll, without a timeout, for a masked port that is bound to vCPU 0, as
 * a PV spinlock's waiter does; vCPU 0 sends the event. Xen wakes every vCPU that polls the port. KVM looks only at the vCPU that the
 * port is bound to, so the poller sleeps on, unless the event came before it looked.
 * Here vCPU 0 tells vCPU 1 to go and sends at once: in the ordinary order the event is there before the poll.
 * Expected: "vCPU 1 was woken". 2 vCPUs. */
#include "xs.h"

static evtchn_port_t port;       /* polled; masked */
static evtchn_port_t peer;       /* sends to it */
static evtchn_port_t go_port;    /* wakes vCPU 1 */
static evtchn_port_t woken_port; /* wakes vCPU 0 */
static unsigned go, woken, late;

static void on_event(evtchn_port_t which) { (void)which; }

static void on_timer(evtchn_port_t which) {
  (void)which;
  XS_STORE(&late, 1);
}

static void poller(unsigned vcpu) {
  (void)vcpu;
  XS_WAIT(XS_LOAD(&go));
  xs_cli();
  long r = xs_poll(&port, 1, 0);
  if (r) xs_failure("poll: %s", xs_result(r));
  XS_STORE(&woken, 1);
  xs_send(woken_port);
}

static void must(const char* what, long r) {
  if (r) xs_failure("%s: %s", what, xs_result(r));
}

void xs_main(void) {
  evtchn_port_t timer_port;
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  must("alloc_unbound", xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port));
  xs_event_mask(port);
  must("bind_interdomain", xs_bind_interdomain(DOMID_SELF, port, &peer));
  xs_event_mask(peer);
  must("bind_ipi", xs_bind_ipi(1, &go_port));
  must("bind_ipi", xs_bind_ipi(0, &woken_port));
  must("bind_virq", xs_bind_virq(VIRQ_TIMER, 0, &timer_port));
  xs_on_event(go_port, on_event);
  xs_on_event(woken_port, on_event);
  xs_on_event(timer_port, on_timer);
  xs_start_vcpus(2, poller);

  XS_STORE(&go, 1);
  must("send go", xs_send(go_port));
  must("send", xs_send(peer));

  must("singleshot", xs_set_singleshot(0, xs_now_ns() + 100 * XS_MS, 0));
  XS_WAIT(XS_LOAD(&woken) || XS_LOAD(&late));
  if (!XS_LOAD(&woken)) xs_failure("the event was sent, vCPU 1 still sleeps in SCHEDOP_poll");
  xs_printf("vCPU 1 was woken\n");
  xs_success();
}
