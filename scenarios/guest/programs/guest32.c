/* The 32-bit ABI: a PVH guest in protected mode with paging. Hypercalls take structures of 32-bit layout, and the bitmaps have
 * 32-bit words.
 * Expected: the layout's sizes, a timer's upcall, an IPI to a port in the second word of 32. 1 vCPU. */
#include "xs.h"

static volatile unsigned ticks, ipis; /* the upcall's and this vCPU's alone */
static evtchn_port_t timer, ipi;

static void on_event(evtchn_port_t port) {
  if (port == timer) ticks++;
  if (port == ipi) ipis++;
}

static void expect(const char* what, long r) {
  xs_printf("%s: %s\n", what, xs_result(r));
  if (r < 0) xs_failure("%s", what);
}

void xs_main(void) {
  xs_printf("shared_info %u, word %u, vcpu_time_info %u, sched_poll %u bytes\n", (unsigned)sizeof(struct shared_info),
            (unsigned)sizeof(unsigned long), (unsigned)sizeof(struct vcpu_time_info), (unsigned)sizeof(struct sched_poll));
  long version = xs_xen_version(XENVER_version, 0);
  xs_printf("version %ld.%ld\n", version >> 16, version & 0xffff);
  xs_events_init();
  expect("bind_virq", xs_bind_virq(VIRQ_TIMER, 0, &timer));
  xs_on_event(timer, on_event);
  do {
    long r = xs_bind_ipi(0, &ipi);
    if (r) xs_failure("bind_ipi: %s", xs_result(r));
  } while (ipi < 40);
  xs_on_event(ipi, on_event);
  xs_printf("port %u is in word %u\n", ipi, (unsigned)(ipi / XS_BITS_PER_LONG));

  expect("send", xs_send(ipi));
  xs_printf("pending %u, selector 0x%lx, upcall %u\n", xs_event_pending(ipi), XS_LOAD(&xs_vcpu_info(0)->evtchn_pending_sel),
            XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending));
  XS_WAIT(ipis == 1);
  xs_printf("upcall came, pending %u\n", xs_event_pending(ipi));

  uint64_t deadline = xs_now_ns() + 3 * XS_MS;
  expect("set_singleshot_timer", xs_set_singleshot(0, deadline, 0));
  XS_WAIT(ticks == 1);
  xs_printf("singleshot: %s\n", xs_now_ns() >= deadline ? "not early" : "too early");
  deadline = xs_now_ns() + 3 * XS_MS;
  expect("set_timer_op", xs_set_timer_op(deadline));
  XS_WAIT(ticks == 2);
  xs_printf("set_timer_op: %s\n", xs_now_ns() >= deadline ? "not early" : "too early");
  xs_event_mask(ipi);
  expect("poll", xs_poll(&ipi, 1, 1));
  evtchn_port_t beyond = 1024;
  xs_printf("send on port 1024: %s\n", xs_result(xs_send(beyond)));
  xs_success();
}
