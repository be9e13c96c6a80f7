/* How upcalls reach a vCPU: HVM_PARAM_CALLBACK_IRQ of each type, HVMOP_set_evtchn_upcall_vector, a local APIC that is off.
 * type=pvh, where callbacks by GSI and INTx lead nowhere. */
#include "probe.h"

#define VIA(type, low) ((uint64_t)(type) << 56 | (low))
#define APIC_SVR 0xf0u

static volatile unsigned taken[256]; /* by vector; this vCPU's alone */
static evtchn_port_t ipi;

static void on_vector(struct xs_regs* regs) {
  unsigned vector = (unsigned)regs->vector & 0xff;
  taken[vector]++;
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  xs_event_clear(ipi);
  if (vector & 1) xs_apic_eoi(); /* odd vectors are the local APIC's */
}

static int x2apic(void) { return (xs_cpuid(1, 0).ecx >> 21) & 1; }
static uint32_t apic_read(unsigned reg) {
  return x2apic() ? (uint32_t)xs_rdmsr(0x800 + (reg >> 4)) : *(volatile uint32_t*)(0xfee00000ul + reg);
}
static void apic_write(unsigned reg, uint32_t value) {
  if (x2apic())
    xs_wrmsr(0x800 + (reg >> 4), value);
  else
    *(volatile uint32_t*)(0xfee00000ul + reg) = value;
}
static unsigned irr(unsigned vector) { return apic_read(0x200 + (vector / 32) * 16) >> vector % 32 & 1; }

/* Lets interrupts in, and says which came since the last time. */
static void window(const char* what) {
  unsigned any = 0;
  xs_sti();
  for (unsigned i = 0; i < 100; i++) xs_pause();
  xs_cli();
  for (unsigned v = 0x10; v < 256; v++) {
    if (!taken[v]) continue;
    xs_printf("%s: vector %x, %u times\n", what, v, taken[v]);
    taken[v] = 0;
    any = 1;
  }
  if (!any) xs_printf("%s: no interrupt, upcall %u\n", what, XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending));
}
static void quiet(void) {
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  xs_event_clear(ipi);
}

static void show_param(void) {
  uint64_t value = 99;
  long r = xs_hvm_get_param(HVM_PARAM_CALLBACK_IRQ, &value);
  xs_printf("  get_param: %s, %lx %lx\n", xs_result(r), (unsigned long)(value >> 32), (unsigned long)(value & 0xffffffff));
}

static void via(uint64_t value, const char* what) {
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, value), "callback %s", what);
  show_param();
  xs_send(ipi);
  window("  sent");
  quiet();
}

static void domain_callback(void) {
  show_param();
  xs_send(ipi);
  window("sent, no callback");
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, VIA(2, 0x50)), "callback vector 50, upcall pending");
  window("then");
  via(VIA(2, 0x52), "vector 52");
  via(VIA(2, 0xff54), "vector 54 with bits above");
  via(VIA(0, 9), "GSI 9");
  via(VIA(0, 0), "GSI 0");
  via(VIA(0, 255), "GSI 255");
  via(VIA(2, 0x52), "vector 52");
  via(VIA(1, 3 << 11 | 1), "INTx of device 3, pin 1");
  via(VIA(3, 0x56), "type 3");
  via(VIA(2, 0x52), "vector 52");
  via(VIA(0xff, 0x56), "type ff");
  via(VIA(2, 0x52), "vector 52");
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_mask, 1);
  xs_send(ipi);
  window("upcall_mask set, sent");
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_mask, 0);
  quiet();
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 1);
  window("~ upcall_pending set by the guest");
  xs_send(ipi);
  quiet();
  window("upcall_pending cleared before interrupts are let in");
}

static void vcpu_vector_errors(void) {
  SHOW_AS(xs_hvm_op(HVMOP_set_evtchn_upcall_vector, probe_edge()), "upcall vector, bad pointer");
  SHOW_AS(xs_set_upcall_vector(0, 0), "upcall vector 0");
  SHOW_AS(xs_set_upcall_vector(0, 0xf), "upcall vector f");
  SHOW_AS(xs_set_upcall_vector(77, 0xf), "upcall vector f of vCPU 77");
  SHOW_AS(xs_set_upcall_vector(77, 0x61), "upcall vector 61 of vCPU 77");
  SHOW_AS(xs_set_upcall_vector(~0u, 0x61), "upcall vector 61 of vCPU ~0");
  window("then");
}

static void vcpu_vector(void) {
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 0), "callback none");
  quiet();
  xs_apic_enable();
  SHOW_AS(xs_set_upcall_vector(0, 0x61), "upcall vector 61, local APIC on, nothing pending");
  xs_printf("IRR %u\n", irr(0x61));
  window("then");
  xs_send(ipi);
  xs_printf("sent: IRR %u\n", irr(0x61));
  window("then");
  xs_send(ipi);
  quiet();
  xs_printf("sent, upcall_pending cleared: IRR %u\n", irr(0x61));
  window("then");
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 1);
  xs_printf("upcall_pending set by the guest: IRR %u\n", irr(0x61));
  SHOW_AS(xs_set_upcall_vector(0, 0x63), "upcall vector 63");
  xs_printf("IRR of 61 %u, of 63 %u\n", irr(0x61), irr(0x63));
  window("then");
  apic_write(APIC_SVR, 0xff);
  SHOW_AS(xs_set_upcall_vector(0, 0x65), "upcall vector 65, local APIC off");
  xs_printf("IRR %u\n", irr(0x65));
  xs_send(ipi);
  xs_printf("sent: IRR %u, upcall %u\n", irr(0x65), XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending));
  window("then");
  apic_write(APIC_SVR, 0x1ff);
  xs_printf("local APIC on: IRR %u\n", irr(0x65));
  window("then");
  apic_write(APIC_SVR, 0xff);
  apic_write(APIC_SVR, 0x1ff);
  xs_printf("off and on, nothing pending: IRR %u\n", irr(0x65));
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 1);
  apic_write(APIC_SVR, 0x1ff);
  /* Xen looks for a pending upcall at each such write, the software CPU's local APIC tells the core of a change alone. */
  xs_printf("on once more, upcall pending: IRR %u\n", irr(0x65));
  apic_write(APIC_SVR, 0xff);
  apic_write(APIC_SVR, 0x1ff);
  xs_printf("off and on, upcall pending: IRR %u\n", irr(0x65));
  window("then");
  quiet();
}

static void both(void) {
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, VIA(2, 0x52)), "callback vector 52, with upcall vector 65");
  xs_printf("IRR %u\n", irr(0x65));
  window("then");
  xs_send(ipi);
  xs_printf("sent: IRR %u\n", irr(0x65));
  window("then");
  SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 0), "callback none");
  window("then");
}

void xs_main(void) {
  XS_CHECK(!xs_bind_ipi(0, &ipi));
  for (unsigned v = 0x50; v < 0x68; v++) xs_on_vector(v, on_vector);
  vcpu_vector_errors();
  domain_callback();
  vcpu_vector();
  both();
  xs_success();
}
