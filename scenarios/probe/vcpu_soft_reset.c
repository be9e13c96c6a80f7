/* Row A4: SHUTDOWN_soft_reset, and what is left of a domain when its toolstack lets it run on (corpus entry B-X27). xl does for a
 * type=hvm domain with on_soft_reset="soft-reset"; else the domain ends with the first line, reason soft-reset. ELF only, 1 vCPU. */
#include "probe.h"

static unsigned char areas[XS_PAGE] XS_PAGE_ALIGNED;
static unsigned char info_page[XS_PAGE] XS_PAGE_ALIGNED;
static unsigned char grant_page[XS_PAGE] XS_PAGE_ALIGNED;
static unsigned char second_page[XS_PAGE] XS_PAGE_ALIGNED;
static evtchn_port_t ipi, timer, masked, unbound;

static long op(unsigned cmd, const volatile void* argument) { return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, 0, argument); }

static long watchdog(uint32_t id, uint32_t timeout_s) {
  struct sched_watchdog args = {.id = id, .timeout = timeout_s};
  return xs_sched_op(SCHEDOP_watchdog, &args);
}

static long register_info(void) {
  struct vcpu_register_vcpu_info args = {.mfn = xs_gfn(info_page), .offset = 64};
  return op(VCPUOP_register_vcpu_info, &args);
}

static void register_areas(void) {
  struct vcpu_register_runstate_memory_area runstate;
  struct vcpu_register_time_memory_area time;
  memset(&runstate, 0, sizeof runstate);
  memset(&time, 0, sizeof time);
  runstate.addr.v = (struct vcpu_runstate_info*)areas;
  time.addr.v = (struct vcpu_time_info*)(areas + 512);
  op(VCPUOP_register_runstate_memory_area, &runstate);
  op(VCPUOP_register_vcpu_time_memory_area, &time);
}

static void before(void) {
  XS_CHECK(xs_bind_ipi(0, &ipi) == 0 && xs_bind_ipi(0, &masked) == 0 && xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  XS_CHECK(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &unbound) == 0);
  xs_events_init();
  xs_event_mask(masked);
  xs_event_mask(timer);
  xs_send(masked);
  xs_send(ipi);
  xs_set_periodic(0, 2 * XS_MS);
  watchdog(0, 600);
  watchdog(0, 600);
  xs_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag);
  xs_add_to_physmap(XENMAPSPACE_grant_table, 0, xs_gfn(grant_page));
  ((struct grant_entry_v1*)grant_page)[20].flags = GTF_permit_access;
  register_areas();
  register_info();
}

static const char* state_of(evtchn_port_t port) {
  static const char* const names[] = {"closed", "unbound", "interdomain", "pirq", "virq", "ipi"};
  struct evtchn_status status = {0};
  long r = xs_evtchn_status(DOMID_SELF, port, &status);
  return r != 0 ? xs_result(r) : status.status < 6 ? names[status.status] : "?";
}

static void events_after(void) {
  for (evtchn_port_t port = 0; port < 3; port++) xs_printf("port %u: %s\n", port, state_of(port));
  xs_printf("an IPI's port: %s; the timer's: %s; an unbound one: %s\n", state_of(ipi), state_of(timer), state_of(unbound));
  SHOW(xs_send(ipi));
  evtchn_port_t again;
  long r = xs_bind_ipi(0, &again);
  xs_printf("bind_ipi: %s, %s\n", xs_result(r), again == ipi ? "the same port as before" : "another port");
}

/* The page where shared_info was, and shared_info itself, mapped anew at another. */
static void shared_info_after(void) {
  volatile unsigned char* page = (volatile unsigned char*)&xs_shared_info;
  unsigned char any = 0;
  for (unsigned i = 0; i < XS_PAGE; i++) any |= page[i];
  xs_printf("~ where shared_info was: %s\n", any ? "something" : "zeros");
  SHOW(xs_add_to_physmap(XENMAPSPACE_shared_info, 0, xs_gfn(second_page)));
  struct shared_info* shared = (struct shared_info*)second_page;
  xs_printf("mapped anew: wall clock %s, a mask bit %s, its pending bit %s\n", XS_LOAD(&shared->wc_version) ? "there" : "not there",
            shared->evtchn_mask[masked / XS_BITS_PER_LONG] >> masked % XS_BITS_PER_LONG & 1 ? "still set" : "clear",
            shared->evtchn_pending[masked / XS_BITS_PER_LONG] >> masked % XS_BITS_PER_LONG & 1 ? "still set" : "clear");
  xs_printf("vcpu_info there: time version %s\n", XS_LOAD(&shared->vcpu_info[0].time.version) ? "set" : "0");
  SHOW(register_info());
}

/* Of the periodic timer that was set before, whose port was closed. shared_info is on its second page. */
static void timer_after(void) {
  volatile unsigned long* pending = ((struct shared_info*)second_page)->evtchn_pending;
  evtchn_port_t again;
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &again) == 0);
  uint64_t start = xs_rdtsc();
  unsigned ticked = 0;
  while (!ticked && xs_rdtsc() - start < 300000000ull) ticked = pending[again / XS_BITS_PER_LONG] >> again % XS_BITS_PER_LONG & 1;
  xs_printf("the periodic timer %s\n", ticked ? "ticks on" : "is silent");
  xs_evtchn_close(again);
}

static void areas_after(void) {
  memset(areas, 0xa5, sizeof areas);
  evtchn_port_t port;
  XS_CHECK(xs_bind_ipi(0, &port) == 0);
  xs_poll(&port, 1, 1);
  SHOW(xs_sched_op(SCHEDOP_yield, 0));
  unsigned at = 0;
  while (at < 64 && areas[at] == 0xa5) at++;
  xs_printf("the runstate area: %s\n", at == 64 ? "left alone" : "written");
  for (at = 512; at < 600 && areas[at] == 0xa5;) at++;
  xs_printf("the time area: %s\n", at == 600 ? "left alone" : "written");
}

static void others_after(void) {
  SHOW(watchdog(1, 0));
  SHOW(watchdog(2, 0));
  SHOW(xs_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag));
  xs_printf("an entry of the grant table: %s\n", ((struct grant_entry_v1*)grant_page)[20].flags ? "still there" : "gone");
}

void xs_main(void) {
  before();
  xs_printf("soft reset\n");
  long r = xs_shutdown(SHUTDOWN_soft_reset);
  xs_printf("on again: %s\n", xs_result(r));
  events_after();
  shared_info_after();
  timer_after();
  areas_after();
  others_after();
  xs_success();
}
