/* Row A5: VCPUOP_down of the last vCPU that is up powers the domain off. vCPU 1 goes down by HLT with interrupts off, which is the
 * same; vCPU 0 then by VCPUOP_down. KVM has not the call. ELF only, 2 vCPUs. */
#include "probe.h"

static volatile unsigned started;

static void halt(unsigned vcpu) {
  (void)vcpu;
  started = 1;
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_start_vcpus(2, halt);
  while (!started) xs_pause();
  xs_spin_ns(2 * XS_MS);
  SHOW(xs_vcpu_op(VCPUOP_is_up, 1, 0));
  xs_printf("vCPU 0 goes down\n");
  SHOW(xs_vcpu_op(VCPUOP_down, 0, 0));
  xs_success();
}
