/* Rows A5 (VCPUOP_send_nmi) and local APIC: NMIs that come while one is handled. One waits for the next IRET, a second is lost in it; the
 * IRET of an exception inside the handler lets it in too. By the local APIC's ICR, and by VCPUOP_send_nmi where there is one.
 * Then an NMI to a vCPU that sleeps in SCHEDOP_poll. ELF only, 2 vCPUs. */
#include "probe.h"

#define ICR_NMI 0x400

static volatile unsigned taken, depth, deepest, exceptions, before_iret;
static void (*volatile inside)(void); /* what the next handler does */
static int by_hypercall;

static void send_nmi(void) {
  if (by_hypercall) {
    xs_vcpu_op(VCPUOP_send_nmi, xs_vcpu(), 0);
  } else {
    xs_apic_send(xs_apic_id(), ICR_NMI);
  }
}

static void on_nmi(struct xs_regs* regs) {
  (void)regs;
  void (*now)(void) = inside;
  inside = 0;
  taken++;
  if (++depth > deepest) deepest = depth;
  if (now) now();
  depth--;
}

static void on_breakpoint(struct xs_regs* regs) {
  (void)regs;
  exceptions++;
}

static void on_undefined(struct xs_regs* regs) {
  exceptions++;
#ifdef __x86_64__
  regs->rip += 2;
#else
  regs->eip += 2;
#endif
}

static void nothing(void) {}
static void send_two(void) {
  send_nmi();
  send_nmi();
  before_iret = taken;
}
static void send_and_call(void) {
  send_nmi();
  xs_xen_version(XENVER_version, 0);
  before_iret = taken;
}
static void send_and_trap(void) {
  send_nmi();
  before_iret = taken;
  __asm__ volatile("int3");
}
static void send_and_fault(void) {
  send_nmi();
  before_iret = taken;
  __asm__ volatile("ud2");
}
static void trap_and_send(void) {
  __asm__ volatile("int3");
  send_nmi();
  before_iret = taken;
}

static void show(const char* what, void (*handler)(void)) {
  taken = depth = deepest = exceptions = before_iret = 0;
  inside = handler;
  send_nmi();
  uint64_t start = xs_now_ns();
  while (xs_now_ns() - start < XS_MS) xs_pause();
  xs_printf("%s: NMIs %u before its end, %u in all, %u deep, exceptions %u\n", what, before_iret, taken, deepest, exceptions);
}

static void blocking(const char* way) {
  xs_printf("by %s\n", way);
  show("a handler that does nothing", nothing);
  show("a handler that sends two", send_two);
  show("a handler that sends one and makes a hypercall", send_and_call);
  show("a handler that sends one and traps", send_and_trap);
  show("a handler that sends one and faults", send_and_fault);
  show("a handler that traps and sends one", trap_and_send);
}

/* ---- to a vCPU that polls ---- */

static volatile unsigned polls, poll_next;
static volatile long poll_result;

static void secondary(unsigned vcpu) {
  evtchn_port_t port;
  XS_CHECK(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port) == 0);
  (void)vcpu;
  for (;;) {
    while (!poll_next) xs_pause();
    poll_next = 0;
    poll_result = xs_poll(&port, 1, 0);
    polls++;
  }
}

static void doze(void) {
  uint64_t start = xs_now_ns();
  while (xs_now_ns() - start < 50 * XS_MS) xs_pause();
}

static void polling(void) {
  xs_start_vcpus(2, secondary);
  for (unsigned i = 0; i < 2; i++) {
    by_hypercall = (int)i;
    taken = 0;
    poll_next = 1;
    while (poll_next) xs_pause();
    doze();
    unsigned before = polls;
    long r = 0;
    if (by_hypercall) {
      r = xs_vcpu_op(VCPUOP_send_nmi, 1, 0);
    } else {
      xs_apic_send(xs_apic_id_of(1), ICR_NMI);
    }
    if (r) return;
    uint64_t start = xs_now_ns();
    while (polls == before && xs_now_ns() - start < 2000 * XS_MS) xs_pause();
    xs_printf("to a vCPU that polls, by %s: taken %u, ", i ? "VCPUOP_send_nmi" : "the local APIC", taken);
    xs_printf("the poll %s\n", polls != before ? xs_result(poll_result) : "goes on");
    if (polls == before) return;
  }
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  xs_apic_enable();
  xs_on_vector(2, on_nmi);
  xs_on_vector(3, on_breakpoint);
  xs_on_vector(6, on_undefined);
  blocking("the local APIC");
  long r = xs_vcpu_op(VCPUOP_send_nmi, 0, 0);
  xs_printf("VCPUOP_send_nmi: %s\n", xs_result(r));
  by_hypercall = 1;
  if (r == 0) blocking("VCPUOP_send_nmi");
  polling();
  xs_success();
}
