/* Row A5: VCPUOP_send_nmi: to oneself with interrupts off, to a vCPU that spins, to one that halts. KVM has not the call. ELF only,
 * 2 vCPUs. */
#include "probe.h"

static volatile unsigned nmis[2];
static volatile unsigned turns, halt_next, halts;

static void on_nmi(struct xs_regs* regs) {
  (void)regs;
  nmis[xs_vcpu()]++;
}

static long send_nmi(unsigned vcpu) { return xs_vcpu_op(VCPUOP_send_nmi, vcpu, 0); }

static void secondary(unsigned vcpu) {
  (void)vcpu;
  for (;;) {
    turns++;
    if (halt_next) {
      halt_next = 0;
      xs_halt();
      halts++;
      xs_cli();
    }
  }
}

/* Until vCPU 1 has had so many, or a while. */
static unsigned wait_for(volatile unsigned* what, unsigned count) {
  uint64_t start = xs_now_ns();
  while (*what < count && xs_now_ns() - start < 5000 * XS_MS) xs_pause();
  return *what;
}

static int is_blocked(unsigned vcpu) {
  struct vcpu_runstate_info info = {0};
  return xs_vcpu_op(VCPUOP_get_runstate_info, vcpu, &info) == 0 && info.state == RUNSTATE_blocked;
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  xs_on_vector(2, on_nmi);
  long r = send_nmi(0);
  SHOW_AS(r, "send_nmi to oneself");
  if (r == -XEN_ENOSYS) xs_success();
  xs_printf("interrupts are off, NMIs taken: %u\n", wait_for(&nmis[0], 1));
  SHOW(send_nmi(0));
  xs_printf("NMIs taken: %u\n", wait_for(&nmis[0], 2));
  xs_start_vcpus(2, secondary);
  wait_for(&turns, 1);
  SHOW_AS(send_nmi(1), "send_nmi to a vCPU that spins");
  xs_printf("NMIs taken: %u\n", wait_for(&nmis[1], 1));
  halt_next = 1;
  uint64_t start = xs_now_ns();
  while (!is_blocked(1) && xs_now_ns() - start < 5000 * XS_MS) xs_pause();
  xs_printf("it halts: %s\n", is_blocked(1) ? "yes" : "no");
  SHOW_AS(send_nmi(1), "send_nmi to a vCPU that halts");
  xs_printf("NMIs taken: %u, HLT ended: %u\n", wait_for(&nmis[1], 2), wait_for(&halts, 1));
  SHOW_AS(send_nmi(2), "send_nmi to a vCPU that does not exist");
  SHOW_AS(xs_vcpu_op(VCPUOP_send_nmi, 0, (void*)8), "send_nmi with an argument");
  xs_success();
}
