/* Row A7 as a type=hvm domain has it (`record --hvm`): the callback by a GSI and by a PCI device's INTx. The line is as high as vCPU 0's
 * upcall_pending: with a level-triggered entry of the IO-APIC the interrupt comes again until that is cleared. ELF only, 1 vCPU. */
#include "probe.h"

#define VIA(type, low) ((uint64_t)(type) << 56 | (low))
#define MASKED 0x10000u
#define LEVEL 0x8000u

static evtchn_port_t ipi;
static volatile unsigned taken[256];
static volatile unsigned lazy; /* so many interrupts leave the upcall pending */

static int x2apic(void) { return (xs_cpuid(1, 0).ecx >> 21) & 1; }
static void apic_enable(void) {
  if (x2apic()) xs_wrmsr(0x1b, xs_rdmsr(0x1b) & ~(1ull << 10)); /* none of these probes wants x2APIC mode */
  xs_apic_enable();
}
static uint32_t io_apic_read(unsigned reg) {
  *(volatile uint32_t*)0xfec00000ul = reg;
  return *(volatile uint32_t*)0xfec00010ul;
}
static void io_apic_write(unsigned reg, uint32_t value) {
  *(volatile uint32_t*)0xfec00000ul = reg;
  *(volatile uint32_t*)0xfec00010ul = value;
}
static void route(unsigned pin, uint32_t low) {
  io_apic_write(0x11 + 2 * pin, xs_apic_id() << 24);
  io_apic_write(0x10 + 2 * pin, low);
}

static void quiet(void) {
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  xs_event_clear(ipi);
}

static void on_vector(struct xs_regs* regs) {
  unsigned vector = (unsigned)regs->vector & 0xff;
  taken[vector]++;
  if (lazy) {
    lazy--;
  } else {
    quiet();
  }
  xs_xen_version(XENVER_version, 0); /* the hypervisor looks at the line when it is entered */
  xs_apic_eoi();
}

static void window(const char* what) {
  unsigned any = 0;
  xs_sti();
  for (unsigned i = 0; i < 20; i++) {
    xs_xen_version(XENVER_version, 0);
    xs_pause();
  }
  xs_cli();
  xs_printf("%s:", what);
  for (unsigned v = 0x10; v < 256; v++) {
    if (taken[v]) xs_printf(" vector %x %u times,", v, taken[v]);
    any |= taken[v];
    taken[v] = 0;
  }
  xs_printf("%s upcall %u\n", any ? "" : " nothing,", XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending));
  quiet();
}

static void show_via(uint64_t value, const char* what) { SHOW_AS(xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, value), "callback %s", what); }

static void by_pin(unsigned pin, unsigned vector) {
  route(pin, vector | LEVEL);
  xs_send(ipi);
  window("level, sent");
  lazy = 2;
  xs_send(ipi);
  window("level, two leave it pending");
  route(pin, vector | LEVEL | MASKED);
  xs_send(ipi);
  xs_xen_version(XENVER_version, 0);
  route(pin, vector | LEVEL);
  window("level, sent while masked");
  route(pin, vector);
  xs_send(ipi);
  window("edge, sent");
  lazy = 1;
  xs_send(ipi);
  window("edge, one leaves it pending");
  xs_send(ipi);
  window("edge, sent again");
  route(pin, MASKED);
}

void xs_main(void) {
  struct xen_feature_info features = {0};
  SHOW(xs_xen_version(XENVER_get_features, &features));
  xs_printf("features 0x%x\n", features.submap);
  apic_enable();
  for (unsigned v = 0x40; v < 0x80; v++) xs_on_vector(v, on_vector);
  XS_CHECK(xs_bind_ipi(0, &ipi) == 0);
  xs_printf("IO-APIC: version and pins 0x%x, pin 9 0x%x\n", io_apic_read(1), io_apic_read(0x10 + 18) & 0x1ffff);
  show_via(VIA(0, 9), "GSI 9");
  by_pin(9, 0x61);
  show_via(VIA(0, 20), "GSI 20");
  by_pin(20, 0x63);
  show_via(VIA(1, 3u << 11 | 1), "INTx of device 3, pin 1");
  by_pin(29, 0x65);
  route(9, 0x67 | LEVEL);
  xs_send(ipi);
  show_via(VIA(0, 9), "GSI 9, while an upcall is pending");
  window("then");
  xs_send(ipi);
  show_via(0, "none, while an upcall is pending");
  window("then");
  xs_send(ipi);
  window("sent");
  show_via(VIA(2, 0x51), "vector 51");
  xs_send(ipi);
  xs_on_vector(0x51, on_vector);
  window("sent");
  xs_success();
}
