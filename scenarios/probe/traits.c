/* Evidence for the traits of models/xen/api/traits.def that no other program shows: a line each, which the real Xen and the real KVM
 * answer differently. ELF only, 2 vCPUs. */
#include "probe.h"

static struct vcpu_info* info(unsigned vcpu) { return &xs_shared_info.vcpu_info[vcpu]; }

static void no_upcall(unsigned vcpu) {
  XS_STORE(&info(vcpu)->evtchn_upcall_pending, 0);
  XS_STORE(&info(vcpu)->evtchn_pending_sel, 0);
}

/* ---- before vCPU 1 runs, and without a callback ---- */

static void version_and_console(void) {
  SHOW(xs_console_io(CONSOLEIO_write, 0, ""));
  SHOW(xs_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag));
  SHOW_AS(xs_hypercall(__HYPERVISOR_multicall, 0, 0, 0, 0, 0), "multicall of no calls");
}

static void ports(void) {
  struct evtchn_status status = {0};
  SHOW_AS(xs_evtchn_status(DOMID_SELF, 1000, &status), "status of a port beyond all");
  SHOW_AS(xs_evtchn_status(0, 1, &status), "status of domain 0's port 1");
  struct evtchn_bind_pirq pirq = {.pirq = 100};
  SHOW_AS(xs_evtchn_op(EVTCHNOP_bind_pirq, &pirq), "bind_pirq 100");
  SHOW_AS(xs_evtchn_close(5000), "close of port 5000");
  struct evtchn_init_control control = {.vcpu = 77};
  SHOW_AS(xs_evtchn_op(EVTCHNOP_init_control, &control), "init_control of vCPU 77");
}

static void moved_event(void) {
  evtchn_port_t far = 0, near = 0;
  XS_CHECK(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &far) == 0);
  XS_CHECK(xs_bind_interdomain(DOMID_SELF, far, &near) == 0);
  XS_CHECK(xs_send(far) == 0);
  XS_CHECK(xs_event_pending(near));
  no_upcall(1);
  long r = xs_bind_vcpu(near, 1);
  unsigned raised = XS_LOAD(&info(1)->evtchn_upcall_pending);
  xs_printf("bind_vcpu of a pending port: %s, raised on the new vCPU: %s\n", xs_result(r), raised ? "yes" : "no");
  xs_evtchn_close(near);
  xs_evtchn_close(far);
  no_upcall(1);
}

static void operations(void) {
  struct sched_watchdog watchdog = {.id = 0, .timeout = 100};
  SHOW_AS(xs_sched_op(SCHEDOP_watchdog, &watchdog), "watchdog 0, 100 s");
  struct sched_pin_override pin = {.pcpu = 0};
  SHOW_AS(xs_sched_op(SCHEDOP_pin_override, &pin), "pin_override");
  struct vcpu_get_physid physid;
  SHOW_AS(xs_vcpu_op(VCPUOP_get_physid, 0, &physid), "get_physid");
  xen_pfn_t frame;
  struct gnttab_setup_table table = {.dom = DOMID_SELF, .nr_frames = 1};
  set_xen_guest_handle(table.frame_list, &frame);
  SHOW_AS(xs_grant_table_op(GNTTABOP_setup_table, &table, 1), "setup_table of one frame");
}

/* ---- timers, pollers and upcalls ---- */

static void periodic(void) {
  xs_events_init();
  evtchn_port_t timer = 0;
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  xs_event_mask(timer);
  XS_CHECK(xs_set_periodic(0, 100 * XS_MS) == 0);
  xs_event_clear(timer);
  uint64_t before = xs_now_ns();
  xs_poll(&timer, 1, before + 5000 * XS_MS);
  xs_printf("poll on a periodic timer: %s\n", xs_now_ns() - before < 4000 * XS_MS ? "woken by a tick" : "timed out");
  xs_stop_periodic(0);
  xs_evtchn_close(timer);
}

static evtchn_port_t awaited;
static unsigned polling;        /* vCPU 1 sets it, vCPU 0 waits for it */
static volatile unsigned early; /* 0: vCPU 1 still polls; 1: woken; 2: timed out */

static void poll(unsigned vcpu) {
  (void)vcpu;
  uint64_t before = xs_now_ns();
  XS_STORE(&polling, 1);
  xs_poll(&awaited, 1, before + 5000 * XS_MS);
  early = xs_now_ns() - before < 4000 * XS_MS ? 1 : 2;
}

/* So long or more, blocked: a machine without load lets time jump. */
static void doze(unsigned ms) {
  static evtchn_port_t never;
  if (!never) XS_CHECK(xs_bind_ipi(0, &never) == 0);
  xs_event_mask(never);
  xs_poll(&never, 1, xs_now_ns() + ms * XS_MS);
}

static void poller(void) {
  XS_CHECK(xs_bind_ipi(1, &awaited) == 0);
  xs_event_mask(awaited);
  xs_start_vcpus(2, poll);
  while (!XS_LOAD(&polling)) xs_pause();
  doze(500); /* a busy machine's vCPU 1 may be late */
  XS_CHECK(xs_send(awaited) == 0);
  while (!early) doze(50);
  xs_printf("poller, no callback set: %s\n", early == 1 ? "woken" : "not woken");
  xs_printf("local APIC ids of vCPUs 0 and 1: %u, %u\n", xs_apic_id_of(0), xs_apic_id_of(1));
}

static volatile unsigned upcalls;

static void on_upcall(void) {
  upcalls++;
  no_upcall(0);
}

static void vector(void) {
  evtchn_port_t port = 0;
  XS_CHECK(xs_bind_ipi(0, &port) == 0);
  XS_CHECK(xs_send(port) == 0);
  xs_on_upcall(on_upcall);
  long r = xs_events_init_vcpu_vector();
  xs_sti();
  xs_spin_ns(XS_MS);
  xs_cli();
  xs_printf("upcall vector set while an upcall is pending: %s, interrupt: %s\n", xs_result(r), upcalls ? "yes" : "no");
}

/* Last: the domain has no port left after it. */
static void all_ports(void) {
  evtchn_port_t port = 0;
  long r;
  do r = xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port);
  while (r == 0);
  xs_printf("ports until %s: the last is %u\n", xs_result(r), port);
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  version_and_console();
  ports();
  moved_event();
  operations();
  poller();
  vector();
  periodic();
  all_ports();
  xs_success();
}
