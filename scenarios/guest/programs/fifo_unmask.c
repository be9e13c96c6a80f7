/* Linux unmasked a FIFO event twice (Linux commit f01337197419, "xen/events: fix race in evtchn_fifo_unmask()"): in its own memory,
 * and again by hypercall when it then found the event pending. This models its late EOI: the handler masks the event and leaves
 * the work to another vCPU, which unmasks the event when it is done.
 *   1. Event 1 is handled on vCPU 0: masked, work for vCPU 1. Event 2 comes: pending, masked, on no queue.
 *   2. vCPU 1 has done the work and unmasks: it clears MASKED and sees PENDING.
 *   3. Event 3 comes: unmasked now, it goes on the queue; vCPU 0 handles it: masked, work for vCPU 1.
 *   4. vCPU 1 makes the hypercall of step 2: unmasked once more, while the work of step 3 is not done.
 *   5. Event 4 comes and is handled at once: two handlers are at work on one event.
 * With FIXED one atomic step decides who unmasks: vCPU 1 if the event is not pending, else the hypercall.
 * Expected: "all events handled, one at a time". 3 vCPUs; Xen alone has FIFO channels. */
#include "fifo.h"

#define SENDS 4u

static evtchn_port_t port, peer;                        /* the event, bound to vCPU 0, and the end that sends it */
static evtchn_port_t work_port, start_port, wake_port;  /* IPIs to vCPUs 1, 2 and 0 */
static unsigned at_work;                                /* the event's work is not done yet */
static unsigned started, sent;

static void must(const char* what, long r) {
  if (r) xs_failure("%s: %s", what, xs_result(r));
}

static void handle(evtchn_port_t which) {
  xs_fifo_mask(which);
  unsigned before = XS_XCHG(&at_work, 1);
  if (before) xs_failure("an event was handled again before it was done");
  must("send work", xs_send(work_port));
}

static void unmask(void) {
#ifdef FIXED
  xs_fifo_unmask(port);
#else
  XS_AND(xs_fifo_word(port), ~XS_FIFO_MASKED);
  int pending = xs_fifo_pending(port);
  if (pending) must("unmask", xs_unmask(port));
#endif
}

static void secondary(unsigned vcpu) {
  if (vcpu == 2) {
    XS_WAIT(XS_LOAD(&started));
    for (unsigned i = 0; i < SENDS; i++) must("send", xs_send(peer));
    XS_STORE(&sent, 1);
    must("send wake", xs_send(wake_port));
    for (;;) xs_halt();
  }
  for (;;) {
    XS_WAIT(XS_LOAD(&at_work));
    XS_STORE(&at_work, 0);
    unmask();
    must("send wake", xs_send(wake_port));
  }
}

/* Every event was sent and handled, and the work is done. */
static int all_done(void) {
  unsigned all = XS_LOAD(&sent);
  if (!all || xs_fifo_pending(port)) return 0;
  return !XS_LOAD(&at_work);
}

void xs_main(void) {
  if (xs_vcpu_count() < 3) xs_skip("needs three vCPUs");
  xs_events_init();
  long r = xs_fifo_init();
  if (r == -XEN_ENOSYS) xs_skip("no FIFO event channels");
  must("FIFO", r);
  must("alloc_unbound", xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port));
  must("bind_interdomain", xs_bind_interdomain(DOMID_SELF, port, &peer));
  must("bind_ipi", xs_bind_ipi(1, &work_port));
  must("bind_ipi", xs_bind_ipi(2, &start_port));
  must("bind_ipi", xs_bind_ipi(0, &wake_port));
  xs_fifo_on_event(port, handle);
  xs_start_vcpus(3, secondary);

  XS_STORE(&started, 1);
  must("send start", xs_send(start_port));
  XS_WAIT(all_done());
  xs_printf("all events handled, one at a time\n");
  xs_success();
}
