/* Linux lost an event when a port's vCPU was changed while it fired (Linux commit 4704fe4f03a5, "xen/events: mask events when
 * changing their VCPU binding"). This models its 2-level dispatch: each vCPU takes only ports that its own word of
 * cpu_evtchn_mask has.
 *   1. vCPU 2 sends: the port is pending, vCPU 0's selector is set.
 *   2. vCPU 1 rebinds the port to itself and moves the bit from cpu_evtchn_mask[0] to [1].
 *   3. vCPU 0 takes its upcall: it consumes the selector and filters the port out.
 *   4. Nobody has told vCPU 1: the port stays pending for ever, and each later send finds it pending already.
 * With MASKED, as Linux has it since, the port is masked from before the rebinding until after it, and unmasked by a
 * hypercall, which tells vCPU 1. A narrower window stays: EVTCHNOP_send reads which vCPU to tell before it sets the pending
 * bit, under a lock that EVTCHNOP_bind_vcpu does not take. If the whole of masking, rebinding and unmasking falls between
 * the two, the unmasking finds nothing pending and the sender tells vCPU 0 of a port that is no longer its own.
 * With FIXED a vCPU that meets a pending port of another passes it on: it masks the port and unmasks it by a hypercall,
 * which tells the port's vCPU of now. The new vCPU's word has the port before the hypervisor tells the new vCPU of it, and the
 * old one's until after: whoever is told either handles it or has somebody to pass it on to.
 * Expected: "2 events sent, 2 handled". 3 vCPUs. */
#include "xs.h"

#ifdef FIXED
#define MASKED
#endif

static evtchn_port_t port;  /* the event: its vCPU changes from 0 to 1 */
static evtchn_port_t peer;  /* sends it */
static evtchn_port_t rebind_port, send_port, wake_port; /* IPIs to vCPUs 1, 2 and 0 */
static unsigned long cpu_evtchn_mask[3];
static unsigned handled, rebind, sends;

static void must(const char* what, long r) {
  if (r) xs_failure("%s: %s", what, xs_result(r));
}

static void handle(evtchn_port_t which) {
  if (which != port) return;
  XS_FETCH_ADD(&handled, 1);
  if (xs_vcpu() != 0) must("send wake", xs_send(wake_port));
}

/* Tells the vCPUs of ports that are pending, and that this one was told of and does not handle. */
static void pass_on(unsigned long ports) {
#ifdef FIXED
  for (; ports; ports &= ports - 1) {
    evtchn_port_t which = (evtchn_port_t)__builtin_ctzl(ports);
    xs_event_mask(which);
    must("unmask", xs_unmask(which));
  }
#else
  (void)ports;
#endif
}

static void upcall(void) {
  unsigned cpu = xs_vcpu();
  struct vcpu_info* info = xs_vcpu_info(cpu);
  do {
    XS_STORE(&info->evtchn_upcall_pending, 0);
    unsigned long words = XS_XCHG(&info->evtchn_pending_sel, 0);
    if (!(words & 1)) continue;
    unsigned long pending = XS_LOAD(&xs_shared_info.evtchn_pending[0]);
    unsigned long masked = XS_LOAD(&xs_shared_info.evtchn_mask[0]);
    unsigned long mine = XS_LOAD(&cpu_evtchn_mask[cpu]);
    pass_on(pending & ~masked & ~mine);
    for (pending &= ~masked & mine; pending; pending &= pending - 1) {
      evtchn_port_t which = (evtchn_port_t)__builtin_ctzl(pending);
      if (xs_event_clear(which)) handle(which);
    }
  } while (XS_LOAD(&info->evtchn_upcall_pending));
}

static void rebind_to(unsigned vcpu) {
#ifdef MASKED
  xs_event_mask(port);
#endif
#ifdef FIXED
  XS_OR(&cpu_evtchn_mask[vcpu], 1ul << port);
  must("bind_vcpu", xs_bind_vcpu(port, vcpu));
  XS_AND(&cpu_evtchn_mask[0], ~(1ul << port));
#else
  must("bind_vcpu", xs_bind_vcpu(port, vcpu));
  XS_AND(&cpu_evtchn_mask[0], ~(1ul << port));
  XS_OR(&cpu_evtchn_mask[vcpu], 1ul << port);
#endif
#ifdef MASKED
  must("unmask", xs_unmask(port));
#endif
}

static void secondary(unsigned vcpu) {
  if (vcpu == 1) {
    XS_WAIT(XS_LOAD(&rebind));
    rebind_to(1);
    for (;;) xs_halt();
  }
  for (unsigned sent = 0; sent < 2; sent++) {
    XS_WAIT(XS_LOAD(&sends) > sent);
    must("send", xs_send(peer));
  }
}

void xs_main(void) {
  if (xs_vcpu_count() < 3) xs_skip("needs three vCPUs");
  xs_events_init();
  xs_on_upcall(upcall);
  must("alloc_unbound", xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port));
  must("bind_interdomain", xs_bind_interdomain(DOMID_SELF, port, &peer));
  xs_event_mask(peer);
  must("bind_ipi", xs_bind_ipi(1, &rebind_port));
  must("bind_ipi", xs_bind_ipi(2, &send_port));
  must("bind_ipi", xs_bind_ipi(0, &wake_port));
  XS_CHECK(wake_port < XS_BITS_PER_LONG);
  cpu_evtchn_mask[0] = 1ul << port | 1ul << wake_port;
  cpu_evtchn_mask[1] = 1ul << rebind_port;
  cpu_evtchn_mask[2] = 1ul << send_port;
  xs_start_vcpus(3, secondary);

  XS_STORE(&sends, 1);
  must("send go", xs_send(send_port));
  XS_WAIT(XS_LOAD(&handled) == 1);
  xs_printf("1 event sent, 1 handled\n");

  XS_STORE(&rebind, 1);
  must("send rebind", xs_send(rebind_port));
  XS_STORE(&sends, 2);
  must("send go", xs_send(send_port));
  XS_WAIT(XS_LOAD(&handled) == 2);
  xs_printf("2 events sent, 2 handled\n");
  xs_success();
}
