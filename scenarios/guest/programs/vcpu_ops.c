/* VCPUOPs: a vCPU's life, and the areas that it registers. KVM with QEMU lacks the first half.
 * Expected: codes as printed; the runstate area says running and its times grow. ELF only, 2 vCPUs; vCPU 1 is never started. */
#include "xs.h"

#define SHOW(call) xs_printf("%s: %s\n", #call, xs_result(call))

static struct vcpu_runstate_info runstate __attribute__((aligned(64)));
static struct vcpu_time_info time_area __attribute__((aligned(64)));
static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;

static long register_info(unsigned vcpu, uint64_t gfn, unsigned offset) {
  struct vcpu_register_vcpu_info op = {.mfn = gfn, .offset = offset};
  return xs_vcpu_op(VCPUOP_register_vcpu_info, vcpu, &op);
}

static void life(void) {
  SHOW(xs_vcpu_op(VCPUOP_is_up, 0, 0));
  SHOW(xs_vcpu_op(VCPUOP_is_up, 1, 0));
  SHOW(xs_vcpu_op(VCPUOP_is_up, 77, 0));
  SHOW(xs_vcpu_op(VCPUOP_up, 0, 0));
  SHOW(xs_vcpu_op(VCPUOP_up, 1, 0));
  SHOW(xs_vcpu_op(VCPUOP_up, 77, 0));
  SHOW(xs_vcpu_op(VCPUOP_down, 1, 0));
  SHOW(xs_vcpu_op(VCPUOP_down, 77, 0));
  SHOW(xs_vcpu_op(99, 0, 0));
}

static void areas(void) {
  struct vcpu_runstate_info now = {.state = 99};
  long r = xs_vcpu_op(VCPUOP_get_runstate_info, 0, &now);
  xs_printf("get_runstate_info: %s, state %u\n", xs_result(r), now.state);
  struct vcpu_register_runstate_memory_area area = {0};
  area.addr.v = &runstate;
  SHOW(xs_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area));
  xs_printf("runstate area: state %u, entered %s\n", runstate.state, runstate.state_entry_time ? "some time ago" : "never");
  struct vcpu_register_time_memory_area times = {0};
  times.addr.v = &time_area;
  SHOW(xs_vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &times));
  xs_printf("time area: version %s, multiplier %s\n", time_area.version & 1 ? "odd" : "even", time_area.tsc_to_system_mul ? "set" : "0");
}

static void vcpu_info(void) {
  SHOW(register_info(77, xs_gfn(page), 0));
  SHOW(register_info(0, xs_gfn(page), XS_PAGE - 32));
  SHOW(register_info(0, 1ul << 40, 0));
  SHOW(register_info(0, xs_gfn(page), 64));
  struct vcpu_info* info = (struct vcpu_info*)(page + 64);
  unsigned upcall = XS_LOAD(&info->evtchn_upcall_pending);
  unsigned long selector = XS_LOAD(&info->evtchn_pending_sel);
  xs_printf("registered: upcall %u, selector %s\n", upcall, selector == ~0ul ? "all ones" : selector ? "some" : "0");
  SHOW(register_info(0, xs_gfn(page), 64));
  SHOW(register_info(0, xs_gfn(page), 128));
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  life();
  areas();
  vcpu_info();
  xs_success();
}
