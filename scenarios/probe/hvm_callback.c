/* Row A7 as a type=hvm domain has it (`record --hvm`), and every guest on KVM with QEMU: the callback by a GSI and by a PCI device's INTx.
 * The line is as high as vCPU 0's upcall_pending: with a level-triggered entry of the IO-APIC the interrupt comes again until that is
 * cleared. QEMU raises the line from a thread of its own, so each step waits a little. ELF only, 1 vCPU. */
#include "probe.h"

#define VIA(type, low) ((uint64_t)(type) << 56 | (low))
#define MASKED 0x10000u
#define LEVEL 0x8000u
#define TIMER_VECTOR 0x40u
#define X2APIC_IRR 0x820u
#define X2APIC_TIMER 0x832u
#define X2APIC_INITIAL_COUNT 0x838u
#define X2APIC_DIVIDE 0x83eu

static evtchn_port_t ipi;
static volatile unsigned taken[256];
static volatile unsigned lazy; /* so many interrupts leave the upcall pending */
static volatile unsigned woken; /* by the local APIC's timer */
static volatile unsigned calls = 1; /* does the handler make a hypercall? */

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
  if (calls) xs_xen_version(XENVER_version, 0); /* the hypervisor looks at the line when it is entered */
  xs_apic_eoi();
}

/* Asleep, so that the real thing's other threads get their turn. */
static void on_timer(struct xs_regs* regs) {
  (void)regs;
  woken = 1;
  xs_apic_eoi();
}
static void wait(void) {
  const uint64_t end = xs_now_ns() + 60 * XS_MS;
  while (xs_now_ns() < end) {
    woken = 0;
    xs_wrmsr(X2APIC_DIVIDE, 0xb); /* by 1 */
    xs_wrmsr(X2APIC_TIMER, TIMER_VECTOR);
    xs_wrmsr(X2APIC_INITIAL_COUNT, 8000000);
    XS_WAIT(woken);
  }
}

static void window(const char* what) {
  unsigned any = 0;
  wait();
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

/* The real thing's other thread may look at the line late, and raise it a second time: then it is asked again. */
static void sent_to(unsigned vector, const char* what) {
  for (unsigned again = 0; again < 4; again++) {
    taken[vector] = 0;
    xs_send(ipi);
    wait();
    xs_cli();
    if (taken[vector] < 2) break;
  }
  window(what);
}

static void by_pin(unsigned pin, unsigned vector) {
  route(pin, vector | LEVEL);
  sent_to(vector, "level, sent");
  lazy = 2;
  xs_send(ipi);
  window("level, two leave it pending");
  calls = 0;
  sent_to(vector, "level, sent, no call in the handler");
  calls = 1;
  route(pin, vector | LEVEL | MASKED);
  xs_send(ipi);
  wait();
  xs_cli();
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

/* Which pins does a callback raise? Each has a vector of its own, from 80 hex on, but those of a PC's clocks. */
static void find_pin(uint64_t value, const char* what) {
  show_via(value, what);
  for (unsigned pin = 9; pin < 48; pin++) route(pin, 0x80 + pin);
  xs_send(ipi);
  window(what);
  for (unsigned pin = 9; pin < 48; pin++) route(pin, MASKED);
}

static void registers(void) {
  xs_printf("IO-APIC: id 0x%x, version and pins 0x%x, arbitration 0x%x, register 3 0x%x, pin 9 0x%x\n", io_apic_read(0), io_apic_read(1),
            io_apic_read(2), io_apic_read(3), io_apic_read(0x10 + 18) & 0x1ffff);
  io_apic_write(0, ~0u);
  xs_printf("IO-APIC, all ones written: id 0x%x, arbitration 0x%x", io_apic_read(0), io_apic_read(2));
  io_apic_write(0, 0);
  io_apic_write(1, ~0u);
  xs_printf(", version and pins 0x%x", io_apic_read(1));
  for (unsigned pin = 23; pin < 48; pin += 12) {
    io_apic_write(0x10 + 2 * pin, ~0u);
    io_apic_write(0x11 + 2 * pin, ~0u);
    xs_printf(", pin %u 0x%x 0x%x", pin, io_apic_read(0x10 + 2 * pin), io_apic_read(0x11 + 2 * pin));
    route(pin, MASKED);
  }
  xs_printf("\n");
}

void xs_main(void) {
  struct xen_feature_info features = {0};
  SHOW(xs_xen_version(XENVER_get_features, &features));
  xs_printf("features 0x%x\n", features.submap);
  xs_apic_enable(); /* in x2APIC mode */
  xs_on_vector(TIMER_VECTOR, on_timer);
  for (unsigned v = 0x60; v < 0xb0; v++) xs_on_vector(v, on_vector);
  XS_CHECK(xs_bind_ipi(0, &ipi) == 0);
  registers();
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
  for (unsigned i = 0; i < 1000000 && !(xs_rdmsr(X2APIC_IRR + 0x67 / 32) >> 0x67 % 32 & 1); i++) xs_xen_version(XENVER_version, 0);
  show_via(0, "none, while an upcall is pending");
  window("then");
  xs_send(ipi);
  window("sent");
  lazy = 0;
  quiet();
  find_pin(VIA(0, 23), "GSI 23");
  find_pin(VIA(0, 24), "GSI 24");
  find_pin(VIA(0, 0x109), "GSI 109 hex");
  find_pin(VIA(0, 9), "GSI 9");
  find_pin(VIA(1, 0), "INTx of device 0, pin 0");
  find_pin(VIA(1, 0xf800), "INTx of device 1f, pin 0");
  find_pin(VIA(1, 1), "INTx of device 0, pin 1");
  find_pin(VIA(1, 2), "INTx of device 0, pin 2");
  find_pin(VIA(1, 3), "INTx of device 0, pin 3");
  find_pin(VIA(1, 0xf801), "INTx of device 1f, pin 1");
  find_pin(VIA(1, 0xf802), "INTx of device 1f, pin 2");
  find_pin(VIA(1, 0xf803), "INTx of device 1f, pin 3");
  find_pin(VIA(1, 0xfa00), "INTx of device 1f.2, pin 0");
  find_pin(VIA(1, 0xfb02), "INTx of device 1f.3, pin 2");
  find_pin(VIA(1, 0xf900), "INTx of device 1f.1, pin 0");
  find_pin(VIA(1, 0x1f800), "INTx of bus 1, device 1f, pin 0");
  show_via(VIA(2, 0x51), "vector 51");
  xs_send(ipi);
  xs_on_vector(0x51, on_vector);
  window("sent");
  xs_success();
}
