/* Rows A2 and A5: runstate. What VCPUOP_get_runstate_info says of a vCPU that runs, slept or never started; the registered area in this
 * width's layout, at any alignment and over the edge of a page, its update flag, and how it is given up. ELF only, 2 vCPUs; vCPU 1
 * is never started. */
#include "probe.h"

#define RUNSTATE_BYTES sizeof(struct vcpu_runstate_info)

static unsigned char pages[3 * XS_PAGE] XS_PAGE_ALIGNED;
static evtchn_port_t timer; /* masked */

static long op(unsigned cmd, unsigned vcpu, const volatile void* argument) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, argument);
}

static long register_area(unsigned vcpu, volatile void* where) {
  struct vcpu_register_runstate_memory_area args;
  memset(&args, 0, sizeof args);
  args.addr.v = (struct vcpu_runstate_info*)where;
  return op(VCPUOP_register_runstate_memory_area, vcpu, &args);
}

static struct vcpu_runstate_info read_area(const volatile void* where) {
  struct vcpu_runstate_info info;
  memcpy(&info, (const void*)where, sizeof info);
  return info;
}

/* Until the timer's event: a poll's own timeout means something else on KVM. */
static void sleep_ms(unsigned ms) {
  xs_set_singleshot(0, xs_now_ns() + ms * XS_MS, 0);
  xs_poll(&timer, 1, 0);
  xs_event_clear(timer);
}

static uint64_t sum(const struct vcpu_runstate_info* info) {
  return info->time[0] + info->time[1] + info->time[2] + info->time[3];
}

static void layout(void) {
  struct vcpu_runstate_info* zero = 0;
  xs_printf("vcpu_runstate_info: %u bytes, state_entry_time at %u, time at %u\n", (unsigned)sizeof *zero,
            (unsigned)(uintptr_t)&zero->state_entry_time, (unsigned)(uintptr_t)&zero->time);
  xs_printf("vcpu_time_info: %u bytes; vcpu_info: %u bytes, time at %u\n", (unsigned)sizeof(struct vcpu_time_info),
            (unsigned)sizeof(struct vcpu_info), (unsigned)offsetof(struct vcpu_info, time));
  xs_printf("shared_info: %u bytes; mask at 0x%x, wc_version at 0x%x, arch at 0x%x\n", (unsigned)sizeof(struct shared_info),
            (unsigned)offsetof(struct shared_info, evtchn_mask), (unsigned)offsetof(struct shared_info, wc_version),
            (unsigned)offsetof(struct shared_info, arch));
  xs_printf("sched_poll: %u bytes; vcpu_set_singleshot_timer: %u; vcpu_register_vcpu_info: %u\n",
            (unsigned)sizeof(struct sched_poll), (unsigned)sizeof(struct vcpu_set_singleshot_timer),
            (unsigned)sizeof(struct vcpu_register_vcpu_info));
}

static int get_info(void) {
  struct vcpu_runstate_info info;
  probe_fill(pages, 64);
  long r = op(VCPUOP_get_runstate_info, 0, pages);
  info = read_area(pages);
  SHOW_AS(r, "get_runstate_info, this vCPU");
  if (r != 0) return 0;
  xs_printf("bytes after it: %s\n", probe_untouched(pages + RUNSTATE_BYTES, 64 - RUNSTATE_BYTES) ? "untouched" : "written");
  uint64_t now = xs_now_ns();
  xs_printf("state %d, entered %s, blocked for %s\n", info.state, info.state_entry_time <= now ? "before now" : "in the future",
            info.time[RUNSTATE_blocked] < XS_MS ? "no time" : "some time");
  uint64_t counted = sum(&info);
  xs_spin_ns(10 * XS_MS);
  op(VCPUOP_get_runstate_info, 0, pages);
  info = read_area(pages);
  uint64_t more = sum(&info) - counted;
  xs_printf("10 ms later: %s is counted in all\n", more < 10 * XS_MS ? "less" : "no less");
  SHOW_AS(op(VCPUOP_get_runstate_info, 1, pages), "get_runstate_info, a vCPU that never ran");
  info = read_area(pages);
  xs_printf("state %d, ran for %s, offline for %s\n", info.state, info.time[RUNSTATE_running] ? "some time" : "no time",
            info.time[RUNSTATE_offline] ? "some time" : "no time");
  uint64_t before = info.time[RUNSTATE_offline];
  xs_spin_ns(10 * XS_MS);
  op(VCPUOP_get_runstate_info, 1, pages);
  info = read_area(pages);
  xs_printf("10 ms later: offline for %s\n", info.time[RUNSTATE_offline] >= before + 10 * XS_MS ? "10 ms more" : "less than that");
  SHOW_AS(op(VCPUOP_get_runstate_info, 0, probe_edge() - RUNSTATE_BYTES), "get_runstate_info to the last bytes of a page");
  SHOW_AS(op(VCPUOP_get_runstate_info, 0, probe_edge() - RUNSTATE_BYTES + 1), "one byte too few");
  return 1;
}

/* The area at `where` follows what happens. */
static void follow(const char* what, volatile unsigned char* where) {
  probe_fill((void*)(where - 8), RUNSTATE_BYTES + 16);
  long r = register_area(0, where);
  struct vcpu_runstate_info first = read_area(where);
  SHOW_AS(r, "area %s", what);
  xs_printf("area %s: state %d, entered %s\n", what, first.state,
            first.state_entry_time == 0 ? "never" : first.state_entry_time >> 63 ? "with the update flag" : "some time ago");
  sleep_ms(200);
  struct vcpu_runstate_info after = read_area(where);
  xs_printf("area %s, after 200 ms asleep: state %d, entered %s, blocked for %s\n", what, after.state,
            after.state_entry_time >> 63 ? "with the update flag" : after.state_entry_time > first.state_entry_time ? "since" : "before",
            after.time[RUNSTATE_blocked] - first.time[RUNSTATE_blocked] >= 100 * XS_MS ? "most of it" : "less");
  xs_printf("area %s: bytes around it %s\n", what,
            probe_untouched(where - 8, 8) && probe_untouched(where + RUNSTATE_BYTES, 8) ? "untouched" : "written");
}

static void registered(int with_info) {
  follow("aligned", pages + 64);
  follow("at an odd address", pages + 67);
  follow("over a page's edge", pages + XS_PAGE - 5);
  follow("over a page's edge, in state_entry_time", pages + XS_PAGE - 15);
  if (with_info) {
    struct vcpu_runstate_info area = read_area(pages + XS_PAGE - 15), info;
    op(VCPUOP_get_runstate_info, 0, pages + 2 * XS_PAGE);
    info = read_area(pages + 2 * XS_PAGE);
    xs_printf("the area and get_runstate_info agree on state and entry: %s\n",
              area.state == info.state && area.state_entry_time == info.state_entry_time ? "yes" : "no");
  }
}

static void update_flag(void) {
  SHOW(xs_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag));
  follow("with the update flag", pages + 64);
  follow("with the update flag, over a page's edge in it", pages + XS_PAGE - 15);
  /* Nothing but the area's last byte stays as the hypervisor left it, when the guest has set the flag itself. */
  pages[XS_PAGE - 15 + offsetof(struct vcpu_runstate_info, state_entry_time) + 7] |= 0x80;
  sleep_ms(10);
  xs_printf("the guest's own flag is %s\n",
            pages[XS_PAGE - 15 + offsetof(struct vcpu_runstate_info, state_entry_time) + 7] & 0x80 ? "still there" : "cleared");
  SHOW(xs_vm_assist(VMASST_CMD_disable, VMASST_TYPE_runstate_update_flag));
}

static void given_up(void) {
  follow("again", pages + 64);
  SHOW(register_area(0, 0));
  probe_fill(pages, XS_PAGE);
  sleep_ms(10);
  xs_printf("after it was given up: %s\n", probe_untouched(pages, XS_PAGE) ? "untouched" : "written");
  SHOW_AS(register_area(0, probe_edge()), "area where nothing is mapped");
  sleep_ms(10);
  SHOW_AS(register_area(0, probe_edge() - 16), "area whose end is not mapped");
  probe_fill(probe_edge() - 64, 64);
  sleep_ms(10);
  xs_printf("its mapped part is %s\n", probe_untouched(probe_edge() - 16, 16) ? "untouched" : "written");
  SHOW_AS(register_area(0, probe_noncanonical()), "area at a wrong address");
  SHOW_AS(register_area(1, pages + 64), "area of a vCPU that never ran");
  sleep_ms(10); /* QEMU lets that vCPU's thread do it, and does not wait for it */
  struct vcpu_runstate_info info = read_area(pages + 64);
  xs_printf("it says state %d\n", info.state);
  SHOW_AS(register_area(99, pages + 64), "area of a vCPU that does not exist");
  register_area(0, 0);
}

void xs_main(void) {
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
  xs_event_mask(timer);
  xs_events_init();
  layout();
  int with_info = get_info();
  registered(with_info);
  update_flag();
  given_up();
  xs_success();
}
