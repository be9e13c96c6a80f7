/* Row A5: VCPU_OP but for timers and initialise: every sub-op's errors, up and down of a vCPU that runs, vcpu_info's limits.
 * KVM with QEMU lacks the first half. ELF only, 8 vCPUs; but for vCPU 1 none runs a program. */
#include "probe.h"

static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;
static volatile unsigned turns; /* vCPU 1 counts, as long as it runs */
static volatile unsigned asked_down;
static volatile long down_result;

static long op(unsigned cmd, unsigned vcpu, const volatile void* argument) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, argument);
}

static void errors(void) {
  static const struct {
    const char* name;
    unsigned cmd;
  } ops[] = {{"initialise", 0},
             {"is_up", 3},
             {"get_runstate_info", 4},
             {"register_runstate_memory_area", 5},
             {"register_vcpu_info", 10},
             {"send_nmi", 11},
             {"get_physid", 12},
             {"register_vcpu_time_memory_area", 13},
             {"14", 14},
             {"15", 15},
             {"16", 16},
             {"-1", ~0u}};
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    SHOW_AS(op(ops[i].cmd, 0, probe_edge()), "%s, vCPU 0, bad argument", ops[i].name);
    SHOW_AS(op(ops[i].cmd, 2, probe_edge()), "%s, vCPU 2, bad argument", ops[i].name);
    SHOW_AS(op(ops[i].cmd, 8, probe_edge()), "%s, vCPU 8, bad argument", ops[i].name);
    SHOW_AS(op(ops[i].cmd, ~0u, probe_edge()), "%s, vCPU -1, bad argument", ops[i].name);
  }
  SHOW(op(VCPUOP_up, 8, 0));
  SHOW(op(VCPUOP_down, 8, 0));
  SHOW(op(VCPUOP_up, 0, 0));
  SHOW(op(VCPUOP_up, 2, 0));
  SHOW(op(VCPUOP_down, 2, 0));
  SHOW(op(VCPUOP_up, 2, 0));
  SHOW(op(VCPUOP_get_physid, 0, page));
}

static long register_info(unsigned vcpu, uint64_t gfn, unsigned offset) {
  struct vcpu_register_vcpu_info args = {.mfn = gfn, .offset = offset};
  return op(VCPUOP_register_vcpu_info, vcpu, &args);
}

static void info_limits(void) {
  const uint64_t gfn = xs_gfn(page);
  SHOW(register_info(8, gfn, 0));
  SHOW(register_info(0, gfn, 4096));
  SHOW(register_info(0, gfn, 4033));
  SHOW(register_info(0, gfn, ~0u));
  SHOW(register_info(0, PROBE_NO_GFN, 4033));
  SHOW(register_info(0, PROBE_NO_GFN, 1));
  SHOW(register_info(1, PROBE_NO_GFN, 0));
  SHOW(register_info(1, gfn, 0));
  SHOW(register_info(0, 1ull << 40, 0));
  SHOW(register_info(0, ~0ull, 0));
}

static void show_info(const char* what, const struct vcpu_info* info) {
  unsigned long selector = XS_LOAD(&info->evtchn_pending_sel);
  xs_printf("%s: upcall %u, mask %u, selector %s, time version %s\n", what, XS_LOAD(&info->evtchn_upcall_pending),
            XS_LOAD(&info->evtchn_upcall_mask), selector == ~0ul ? "all ones" : selector ? "some bits" : "0",
            XS_LOAD(&info->time.version) == 0 ? "0" : "set");
}

static void info_moves(void) {
  /* What the old place holds moves, whether the hypervisor uses it or not. */
  unsigned char mask = 0x5a;
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_mask, mask);
  struct vcpu_info* first = (struct vcpu_info*)(page + 4032);
  SHOW(register_info(0, xs_gfn(page), 4032));
  show_info("vCPU 0's new vcpu_info", first);
  SHOW(register_info(0, xs_gfn(page), 4032));
  SHOW(register_info(0, xs_gfn(page), 64));
  SHOW(register_info(0, xs_gfn(page), 1));
  SHOW(register_info(0, xs_gfn(page), 4096));

  struct vcpu_info* second = (struct vcpu_info*)(page + 8);
  SHOW(register_info(2, xs_gfn(page), 8));
  show_info("vCPU 2's new vcpu_info", second);
  SHOW(register_info(2, xs_gfn(page), 72));
}

static void aligned(void) {
  SHOW_AS(register_info(2, xs_gfn(page), 2), "register_info(2, gfn, 2)");
}

static void count(unsigned vcpu) {
  for (;;) {
    turns++;
    xs_pause();
    if (asked_down) {
      long r = op(VCPUOP_down, vcpu, 0);
      down_result = r;
      asked_down = 0;
    }
  }
}

/* 10 ms, blocked: a machine without load lets time jump. */
static void doze(void) {
  static evtchn_port_t timer;
  if (!timer) {
    XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &timer) == 0);
    xs_event_mask(timer);
  }
  xs_set_singleshot(0, xs_now_ns() + 10 * XS_MS, 0);
  xs_poll(&timer, 1, 0);
  xs_event_clear(timer);
}

/* Does vCPU 1 come to run within so many dozes? A busy machine may leave it waiting for long. */
static int counts(unsigned dozes) {
  unsigned before = turns;
  while (turns == before && dozes--) doze();
  return turns != before;
}

#define RUNS 500
#define STANDS 20

static void life(void) {
  xs_printf("vCPU 1 runs: %u\n", counts(RUNS));
  SHOW(op(VCPUOP_is_up, 1, 0));
  long r = op(VCPUOP_down, 1, 0);
  SHOW_AS(r, "down(1)");
  if (r == -XEN_ENOSYS) return;
  SHOW(op(VCPUOP_is_up, 1, 0));
  doze();
  xs_printf("vCPU 1 runs: %u\n", counts(STANDS));
  SHOW(op(VCPUOP_down, 1, 0));
  SHOW(op(VCPUOP_initialise, 1, page));
  SHOW(op(VCPUOP_up, 1, 0));
  SHOW(op(VCPUOP_up, 1, 0));
  SHOW(op(VCPUOP_is_up, 1, 0));
  xs_printf("vCPU 1 runs: %u\n", counts(RUNS));
  asked_down = 1;
  while (op(VCPUOP_is_up, 1, 0)) xs_pause();
  doze();
  xs_printf("vCPU 1 runs: %u\n", counts(STANDS));
  SHOW(op(VCPUOP_up, 1, 0));
  while (asked_down) xs_pause();
  xs_printf("vCPU 1 took itself down: %s, and is back\n", xs_result(down_result));
  xs_printf("vCPU 1 runs: %u\n", counts(RUNS));
}

void xs_main(void) {
  if (xs_vcpu_count() < 8) xs_skip("needs eight vCPUs");
  xs_events_init();
  errors();
  xs_start_vcpus(2, count);
  life();
  info_limits();
  aligned();
  info_moves();
  xs_success();
}
