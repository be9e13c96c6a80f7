/* Row A4: SCHED_OP but for what ends the domain. Results of each sub-op with good and bad arguments, the order of the checks, what
 * ends a poll and a block. ELF only, 2 vCPUs; vCPU 1 is never started. */
#include "probe.h"

static evtchn_port_t port, closed, unbound, timer; /* masked, all of them */
static evtchn_port_t many[130];

static long op(unsigned cmd, const volatile void* argument) { return xs_hypercall2(__HYPERVISOR_sched_op, cmd, argument); }

static void no_arguments(void) {
  const void* bad = probe_edge();
  SHOW(op(SCHEDOP_yield, 0));
  SHOW(op(SCHEDOP_yield, bad));
  SHOW(op(SCHEDOP_shutdown, bad));
  SHOW(op(SCHEDOP_shutdown_code, bad));
  SHOW(op(SCHEDOP_poll, bad));
  SHOW(op(SCHEDOP_poll, (char*)bad - 8));
  SHOW(op(SCHEDOP_remote_shutdown, bad));
  SHOW(op(SCHEDOP_watchdog, bad));
  SHOW(op(SCHEDOP_pin_override, bad));
  SHOW(op(8, bad));
  SHOW(op(~0u, bad));
}

static long remote_shutdown(domid_t dom) {
  struct sched_remote_shutdown args = {.domain_id = dom, .reason = SHUTDOWN_poweroff};
  return op(SCHEDOP_remote_shutdown, &args);
}

static long pin_override(int cpu) {
  struct sched_pin_override args = {.pcpu = cpu};
  return op(SCHEDOP_pin_override, &args);
}

static void privileged(void) {
  SHOW(remote_shutdown(0));
  SHOW(remote_shutdown(DOMID_SELF));
  SHOW(remote_shutdown(0x7fef));
  SHOW(remote_shutdown(DOMID_IDLE));
  SHOW(pin_override(0));
  SHOW(pin_override(-1));
}

static long watchdog(uint32_t id, uint32_t timeout_s) {
  struct sched_watchdog args = {.id = id, .timeout = timeout_s};
  return op(SCHEDOP_watchdog, &args);
}

static void watchdogs(void) {
  SHOW(watchdog(1, 600));
  SHOW(watchdog(2, 600));
  SHOW(watchdog(3, 600));
  SHOW(watchdog(~0u, 600));
  SHOW(watchdog(0, 600));
  SHOW(watchdog(0, 700));
  xs_printf("watchdog(0, 700), a third: 0x%lx\n", (unsigned long)watchdog(0, 700));
  SHOW(watchdog(1, 800));
  SHOW(watchdog(1, ~0u));
  SHOW(watchdog(1, 0));
  SHOW(watchdog(1, 0));
  SHOW(watchdog(0, 600));
  SHOW(watchdog(1, 0));
  SHOW(watchdog(2, 0));
  SHOW(watchdog(2, 600));
}

/* Polls on two ports, the second being that of this vCPU's timer, which goes off after `guard_ms` if nothing else ends the poll. */
static void timed(const char* what, uint64_t timeout_ns, unsigned guard_ms) {
  evtchn_port_t both[2] = {port, timer};
  uint64_t start = xs_now_ns();
  xs_set_singleshot(0, start + guard_ms * XS_MS, 0);
  long r = xs_poll(both, 2, timeout_ns);
  uint64_t waited = xs_now_ns() - start;
  xs_stop_singleshot(0);
  int rang = xs_event_clear(timer);
  xs_printf("poll, timeout %s: %s, %s\n", what, xs_result(r),
            rang ? "ended by an event" : waited < 150 * XS_MS ? "at once" : "ended by the timeout");
}

static void timeouts(void) {
  const uint64_t now = xs_now_ns();
  timed("0", 0, 300);
  timed("1", 1, 3000);
  timed("now", now, 20000); /* taken as relative: a long one */
  timed("2^62", 1ull << 62, 300);
  timed("2^63 - 1", ~0ull >> 1, 300);
  timed("2^63", 1ull << 63, 300);
  timed("-1", ~0ull, 300);
}

static void lists(void) {
  const void* bad = probe_edge();
  evtchn_port_t* edge = (evtchn_port_t*)bad;
  for (unsigned i = 0; i < 130; i++) many[i] = port;
  SHOW(xs_poll(edge, 0, 1));
  SHOW(xs_poll(edge, 1, 1));
  SHOW(xs_poll(edge, 128, 1));
  SHOW(xs_poll(edge, 129, 1));
  SHOW(xs_poll(many, 128, 1));
  SHOW(xs_poll(many, 129, 1));
  SHOW(xs_poll(many, ~0u, 1));
  edge[-1] = port;
  SHOW(xs_poll(edge - 1, 1, 1));
  SHOW(xs_poll(edge - 1, 2, 1));
  many[0] = 0;
  SHOW_AS(xs_poll(many, 1, 1), "poll port 0");
  many[0] = closed;
  SHOW_AS(xs_poll(many, 1, 1), "poll a closed port");
  many[0] = unbound;
  SHOW_AS(xs_poll(many, 1, 1), "poll an unbound port");
  many[0] = 1000;
  SHOW_AS(xs_poll(many, 1, 1), "poll port 1000");
  many[0] = 1024;
  SHOW_AS(xs_poll(many, 1, 1), "poll port 1024");
  many[0] = 4095;
  SHOW_AS(xs_poll(many, 1, 1), "poll port 4095");
  many[0] = 4096;
  SHOW_AS(xs_poll(many, 1, 1), "poll port 4096");
  many[0] = ~0u;
  SHOW_AS(xs_poll(many, 1, 1), "poll port -1");
}

/* Of a list, what is looked at first? */
static void order(void) {
  evtchn_port_t* edge = (evtchn_port_t*)probe_edge();
  xs_send(port);
  evtchn_port_t list[3] = {port, 1u << 20};
  SHOW_AS(xs_poll(list, 2, 1), "poll a pending port, then one that is none");
  list[0] = 1u << 20;
  list[1] = port;
  SHOW_AS(xs_poll(list, 2, 1), "poll one that is none, then a pending port");
  list[0] = port;
  list[1] = closed;
  SHOW_AS(xs_poll(list, 2, 1), "poll a pending port, then a closed one");
  edge[-1] = port;
  SHOW_AS(xs_poll(edge - 1, 2, 1), "poll a pending port, then one that cannot be read");
  SHOW_AS(xs_poll(many, 129, 0), "poll 129 ports");
  SHOW_AS(xs_poll(&port, 1, 0), "poll a pending port, no timeout");
  xs_printf("still pending: %u\n", xs_event_pending(port));
  xs_event_clear(port);
}

/* With no port named, and with a pending event that no poll asked for. */
static void other_events(void) {
  uint64_t start = xs_now_ns();
  xs_set_singleshot(0, start + 10 * XS_MS, 0);
  SHOW_AS(xs_poll(many, 0, start + 20000 * XS_MS), "poll no port until the timer's event");
  xs_printf("timer pending: %u\n", xs_event_clear(timer));
  xs_send(port);
  evtchn_port_t other = timer;
  start = xs_now_ns();
  SHOW_AS(xs_poll(&other, 1, 1), "poll one port while another is pending");
  xs_event_clear(port);
}

static void block(void) {
  struct vcpu_info* info = xs_vcpu_info(0);
  unsigned char mask_before = 1;
  XS_STORE(&info->evtchn_upcall_mask, mask_before);
  xs_unmask(timer);
  xs_set_singleshot(0, xs_now_ns() + 10 * XS_MS, 0);
  long r = op(SCHEDOP_block, 0);
  SHOW_AS(r, "block");
  if (r == -XEN_ENOSYS) return;
  xs_printf("upcall mask %u, upcall %u, timer pending %u\n", XS_LOAD(&info->evtchn_upcall_mask),
            XS_LOAD(&info->evtchn_upcall_pending), xs_event_pending(timer));
}

void xs_main(void) {
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  xs_event_mask(timer);
  XS_CHECK(xs_bind_ipi(0, &port) == 0 && xs_bind_ipi(0, &closed) == 0);
  XS_CHECK(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &unbound) == 0);
  xs_event_mask(port);
  xs_event_mask(unbound);
  xs_evtchn_close(closed);
  xs_events_init();
  /* So that absolute and relative times differ. */
  while (xs_now_ns() < 1000 * XS_MS) xs_poll(many, 0, 1000 * XS_MS);

  no_arguments();
  privileged();
  watchdogs();
  lists();
  order();
  timeouts();
  other_events();
  block();
  xs_success();
}
