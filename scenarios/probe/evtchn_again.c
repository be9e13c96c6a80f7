/* When the hypervisor looks for a pending upcall that nobody announces: one that its handler left pending, or that the guest itself set.
 * By the domain's vector, and by the vCPU's own. Also what HLT and SCHEDOPs do to evtchn_upcall_mask. ELF only, 1 vCPU. */
#include "probe.h"

#define DOMAIN_VECTOR 0x50u
#define VCPU_VECTOR 0x61u /* the local APIC's: wants an EOI */
#define APIC_BASE_MSR 0x1bu
#define NO_DEVICE 0x2e0 /* a port; real hypervisors let guests have some for themselves, as 0x80 */
#define TURNS 2000u

static evtchn_port_t ipi, timer;
static volatile unsigned taken, lazy, mask_seen;
static int x2apic_mode;

static struct vcpu_info* info(void) { return xs_vcpu_info(0); }

static void quiet(void) {
  XS_STORE(&info()->evtchn_upcall_pending, 0);
  XS_STORE(&info()->evtchn_pending_sel, 0);
  xs_event_clear(ipi);
  xs_event_clear(timer);
}

/* No hypercall in it: that would be an exit. */
static void on_vector(struct xs_regs* regs) {
  taken++;
  mask_seen = XS_LOAD(&info()->evtchn_upcall_mask);
  if (lazy) {
    lazy--;
  } else {
    quiet();
  }
  if ((regs->vector & 0xff) == VCPU_VECTOR) xs_apic_eoi();
}

/* ---- ways to leave the guest ---- */

static void cpuid_1(void) { xs_cpuid(1, 0); }
static void cpuid_xen(void) { xs_cpuid(xs_cpuid_base, 0); }
static void msr_read(void) { xs_rdmsr(APIC_BASE_MSR); }
static void msr_write(void) { xs_wrmsr(APIC_BASE_MSR, xs_rdmsr(APIC_BASE_MSR)); }
static void port_read(void) {
  uint8_t value;
  __asm__ volatile("inb %1,%0" : "=a"(value) : "d"((uint16_t)NO_DEVICE));
}
static void port_write(void) { __asm__ volatile("outb %0,%1" : : "a"((uint8_t)0), "d"((uint16_t)NO_DEVICE)); }
static void apic_read(void) {
  if (x2apic_mode)
    xs_apic_id();
  else
    (void)*(volatile uint32_t*)0xfee00020ul;
}
static void hypercall(void) { xs_xen_version(XENVER_version, 0); }
static void halt(void) { __asm__ volatile("hlt" : : : "memory"); }

static const struct way {
  const char* name;
  void (*leave)(void);
} ways[] = {
    {"CPUID 1", cpuid_1},    {"CPUID of Xen", cpuid_xen}, {"RDMSR", msr_read},       {"WRMSR", msr_write},
    {"port read", port_read}, {"port write", port_write},  {"local APIC", apic_read}, {"hypercall", hypercall},
};
#define WAYS (sizeof ways / sizeof *ways)

static void turns(void) {
  for (volatile unsigned i = 0; i < TURNS; i++) {}
}
/* Did it come so often? Once more is as good: where KVM is interrupted while it injects an upcall, it may do so twice. */
static const char* came(unsigned times) {
  const char* answer = taken >= times ? "comes" : taken ? "comes too seldom" : "does not come";
  taken = 0;
  return answer;
}

static void left_pending(const char* who) {
  for (unsigned leave = 0; leave < 3; leave++) {
    lazy = leave;
    xs_send(ipi);
    xs_sti();
    turns();
    xs_cli();
    xs_printf("%s, %u times left pending: %s, upcall %u\n", who, leave, came(leave + 1), XS_LOAD(&info()->evtchn_upcall_pending));
    quiet();
  }
  for (size_t i = 0; i < WAYS; i++) {
    lazy = 1;
    xs_send(ipi);
    xs_sti();
    ways[i].leave();
    turns();
    xs_cli();
    xs_printf("%s, left pending, then %s: %s again\n", who, ways[i].name, came(2));
    lazy = 0;
    quiet();
  }
}

static void set_by_guest(const char* who) {
  for (size_t i = 0; i < WAYS; i++) {
    xs_sti();
    XS_STORE(&info()->evtchn_upcall_pending, 1);
    ways[i].leave();
    turns();
    xs_cli();
    xs_printf("%s, set by the guest, then %s: %s\n", who, ways[i].name, came(1));
    quiet();
    XS_STORE(&info()->evtchn_upcall_pending, 1);
    ways[i].leave();
    xs_sti();
    turns();
    xs_cli();
    xs_printf("%s, set with interrupts off, %s, then on: %s\n", who, ways[i].name, came(1));
    quiet();
    XS_STORE(&info()->evtchn_upcall_pending, 1);
    ways[i].leave();
    quiet();
    xs_sti();
    turns();
    xs_cli();
    xs_printf("%s, set with interrupts off, %s, cleared, then on: %s\n", who, ways[i].name, came(1));
    quiet();
  }
}

static void by_domain_vector(void) {
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | DOMAIN_VECTOR), "callback vector");
  left_pending("domain's vector");
  set_by_guest("domain's vector");
  xs_sti();
  XS_STORE(&info()->evtchn_upcall_pending, 1);
  halt();
  xs_cli();
  xs_printf("domain's vector, set by the guest, then HLT: %s\n", came(1));
  quiet();
}

/* ---- evtchn_upcall_mask ---- */

static void show_mask(const char* what) {
  xs_printf("%s: mask %u, in the handler %u, %s\n", what, XS_LOAD(&info()->evtchn_upcall_mask), mask_seen, came(1));
  quiet();
}
static void set_mask(void) {
  quiet();
  mask_seen = 9;
  XS_STORE(&info()->evtchn_upcall_mask, 1);
}
static void arm_timer(unsigned ms) {
  struct vcpu_set_singleshot_timer when = {.timeout_abs_ns = xs_now_ns() + ms * XS_MS};
  XS_CHECK(!xs_vcpu_op(VCPUOP_set_singleshot_timer, 0, &when));
}

static void masks(void) {
  set_mask();
  xs_send(ipi);
  xs_halt();
  xs_cli();
  show_mask("mask set, upcall pending, HLT");
  set_mask();
  arm_timer(2);
  xs_halt();
  xs_cli();
  show_mask("mask set, HLT until an event");
  set_mask();
  xs_send(ipi);
  xs_sti();
  turns();
  xs_cli();
  show_mask("mask set, upcall pending");
  set_mask();
  arm_timer(100);
  xs_sti();
  SHOW(xs_sched_op(SCHEDOP_block, 0));
  xs_cli();
  XS_CHECK(!xs_vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0));
  show_mask("mask set, block until an event");
  set_mask();
  xs_sti();
  XS_STORE(&info()->evtchn_upcall_pending, 1);
  SHOW(xs_sched_op(SCHEDOP_block, 0));
  turns();
  xs_cli();
  show_mask("mask set, upcall pending, block");
  set_mask();
  SHOW(xs_sched_op(SCHEDOP_yield, 0));
  show_mask("mask set, yield");
  set_mask();
  XS_CHECK(!xs_vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0));
  struct sched_poll poll = {.nr_ports = 1};
  set_xen_guest_handle(poll.ports, &ipi);
  xs_send(ipi);
  SHOW(xs_sched_op(SCHEDOP_poll, &poll));
  show_mask("mask set, poll of a pending port");
  XS_STORE(&info()->evtchn_upcall_mask, 0);
}

static void by_vcpu_vector(void) {
  XS_STORE(&info()->evtchn_upcall_mask, 0);
  xs_apic_enable();
  x2apic_mode = xs_rdmsr(APIC_BASE_MSR) >> 10 & 1;
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 0), "callback none");
  SHOW_AS(xs_set_upcall_vector(0, VCPU_VECTOR), "the vCPU's own vector");
  xs_sti();
  turns();
  xs_cli();
  xs_printf("then: it %s\n", came(1));
  quiet();
  left_pending("vCPU's vector");
  set_by_guest("vCPU's vector");
}

void xs_main(void) {
  XS_CHECK(!xs_bind_ipi(0, &ipi) && !xs_bind_virq(VIRQ_TIMER, 0, &timer));
  xs_on_vector(DOMAIN_VECTOR, on_vector);
  xs_on_vector(VCPU_VECTOR, on_vector);
  by_domain_vector();
  masks();
  by_vcpu_vector();
  xs_success();
}
