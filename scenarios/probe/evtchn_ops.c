/* Every 2-level EVENT_CHANNEL_OP: success, each error, in Xen's order of checks, and the states that they leave. Ports are shown
 * by name. Runs with 1 and 2 vCPUs. */
#include "probe.h"

#define RESET_CONT 14u
#define BEYOND 70000u

static evtchn_port_t unbound, stranger, local, ipi, timer, console, pirq, closed;
static domid_t self; /* our own number, as a status shows it */

static const char* name_of(evtchn_port_t port) {
  static char text[12];
  if (port == unbound) return "unbound";
  if (port == local) return "local";
  xs_printf("~ port %u\n", port);
  memcpy(text, "another", 8);
  return text;
}

static void status(const char* name, evtchn_port_t port) {
  struct evtchn_status s;
  memset(&s, 0xa5, sizeof s);
  long r = xs_evtchn_status(DOMID_SELF, port, &s);
  if (r) {
    xs_printf("status of %s: %s, result untouched: %u\n", name, xs_result(r), s.status == 0xa5a5a5a5u);
    return;
  }
  switch (s.status) {
    case EVTCHNSTAT_unbound:
      xs_printf("status of %s: unbound, vCPU %u, for %s %u\n", name, s.vcpu, s.u.unbound.dom == self ? "self" : "domain",
                s.u.unbound.dom == self ? 0 : s.u.unbound.dom);
      break;
    case EVTCHNSTAT_interdomain:
      xs_printf("status of %s: interdomain, vCPU %u, with %s of %s\n", name, s.vcpu, name_of(s.u.interdomain.port),
                s.u.interdomain.dom == self ? "self" : "another domain");
      break;
    case EVTCHNSTAT_pirq: xs_printf("status of %s: PIRQ %u, vCPU %u\n", name, s.u.pirq, s.vcpu); break;
    case EVTCHNSTAT_virq: xs_printf("status of %s: VIRQ %u, vCPU %u\n", name, s.u.virq, s.vcpu); break;
    default: xs_printf("status of %s: kind %u, vCPU %u\n", name, s.status, s.vcpu);
  }
}

static long alloc(unsigned dom, unsigned remote) {
  evtchn_port_t port = 0;
  long r = xs_alloc_unbound((domid_t)dom, (domid_t)remote, &port);
  if (!r) xs_evtchn_close(port);
  return r;
}
static long bind_to(unsigned dom, evtchn_port_t port) {
  evtchn_port_t got;
  long r = xs_bind_interdomain((domid_t)dom, port, &got);
  if (!r) xs_evtchn_close(got);
  return r;
}
static long bind_pirq(unsigned number, unsigned flags, evtchn_port_t* port) {
  struct evtchn_bind_pirq op = {.pirq = number, .flags = flags};
  long r = xs_evtchn_op(EVTCHNOP_bind_pirq, &op);
  if (!r) *port = op.port;
  return r;
}
static long reset(unsigned op, unsigned dom) {
  struct evtchn_reset arg = {.dom = (domid_t)dom};
  return xs_evtchn_op(op, &arg);
}

static void bad_arguments(void) {
  static const struct {
    const char* name;
    unsigned op, size;
  } ops[] = {{"bind_interdomain", 0, 12}, {"bind_virq", 1, 12},   {"bind_pirq", 2, 12}, {"close", 3, 4},    {"send", 4, 4},
             {"status", 5, 24},           {"alloc_unbound", 6, 8}, {"bind_ipi", 7, 8},   {"bind_vcpu", 8, 8}, {"unmask", 9, 4},
             {"reset", 10, 2},            {"reset_cont", 14, 2}};
  for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++) {
    SHOW_AS(xs_evtchn_op(ops[i].op, probe_edge()), "%s, bad pointer", ops[i].name);
    SHOW_AS(xs_evtchn_op(ops[i].op, probe_edge() - ops[i].size / 2), "%s, half good", ops[i].name);
  }
  SHOW_AS(xs_evtchn_op(15, probe_edge()), "op 15");
  SHOW_AS(xs_evtchn_op(~0u, probe_edge()), "op ~0");
  SHOW_AS(xs_hypercall2(__HYPERVISOR_event_channel_op_compat, 0, 0), "event_channel_op_compat");
}

static void allocate(void) {
  struct evtchn_status s;
  SHOW_AS(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &unbound), "alloc_unbound for self");
  XS_CHECK(!xs_evtchn_status(DOMID_SELF, unbound, &s));
  self = s.u.unbound.dom;
  xs_printf("~ self is domain %u, first port %u\n", self, unbound);
  status("unbound", unbound);
  SHOW_AS(xs_alloc_unbound(self, 77, &stranger), "alloc_unbound in our own number for 77");
  xs_printf("the next port: %d\n", (int)(stranger - unbound));
  status("stranger", stranger);
  static const unsigned doms[] = {0, 77, 0x7fef, DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID, DOMID_IDLE, 0x8000, 0xffff};
  for (unsigned i = 0; i < sizeof doms / sizeof *doms; i++) {
    SHOW_AS(alloc(DOMID_SELF, doms[i]), "alloc_unbound for %x", doms[i]);
    SHOW_AS(alloc(doms[i], DOMID_SELF), "alloc_unbound in %x", doms[i]);
    SHOW_AS(bind_to(doms[i], 1), "bind_interdomain with port 1 of %x", doms[i]);
    SHOW_AS(bind_to(doms[i], BEYOND), "bind_interdomain with a port beyond all of %x", doms[i]);
    memset(&s, 0, sizeof s);
    SHOW_AS(xs_evtchn_status((domid_t)doms[i], 1, &s), "status in %x", doms[i]);
    SHOW_AS(xs_evtchn_status((domid_t)doms[i], BEYOND, &s), "status of a port beyond all in %x", doms[i]);
    SHOW_AS(reset(EVTCHNOP_reset, doms[i]), "reset of %x", doms[i]);
    SHOW_AS(reset(RESET_CONT, doms[i]), "reset_cont of %x", doms[i]);
  }
  SHOW_AS(reset(RESET_CONT, DOMID_SELF), "reset_cont of self, none under way");
}

static void interdomain(void) {
  SHOW_AS(xs_send(unbound), "send, unbound");
  xs_printf("pending: %u\n", xs_event_pending(unbound));
  SHOW_AS(bind_to(DOMID_SELF, stranger), "bind_interdomain with a port for 77");
  SHOW_AS(bind_to(DOMID_SELF, 0), "bind_interdomain with port 0");
  SHOW_AS(bind_to(DOMID_SELF, ipi), "bind_interdomain with an IPI");
  SHOW_AS(bind_to(DOMID_SELF, timer), "bind_interdomain with a VIRQ");
  SHOW_AS(bind_to(DOMID_SELF, ipi + 1), "bind_interdomain with a free port");
  SHOW_AS(bind_to(DOMID_SELF, BEYOND), "bind_interdomain with a port beyond all");
  SHOW_AS(bind_to(self, unbound), "bind_interdomain with our own number, then close");
  status("unbound", unbound);
  SHOW_AS(xs_bind_interdomain(DOMID_SELF, unbound, &local), "bind_interdomain");
  xs_printf("pending: local %u, unbound %u\n", xs_event_clear(local), xs_event_pending(unbound));
  status("unbound", unbound);
  status("local", local);
  SHOW_AS(bind_to(DOMID_SELF, unbound), "bind_interdomain with a bound port");
  SHOW_AS(bind_to(DOMID_SELF, local), "bind_interdomain with the other end");
  SHOW_AS(xs_send(local), "send local");
  SHOW_AS(xs_send(unbound), "send unbound");
  xs_printf("pending: local %u, unbound %u\n", xs_event_clear(local), xs_event_clear(unbound));
}

static void virqs(void) {
  evtchn_port_t port;
  for (unsigned vcpu = 0; vcpu < 2; vcpu++) {
    for (unsigned virq = 0; virq < 25; virq++) {
      long r = xs_bind_virq(virq, vcpu, &port);
      xs_printf("bind_virq %u on vCPU %u: %s\n", virq, vcpu, xs_result(r));
      if (r) continue;
      long again = xs_bind_virq(virq, vcpu, &(evtchn_port_t){0}), send = xs_send(port);
      long move0 = xs_bind_vcpu(port, 0), move1 = xs_bind_vcpu(port, 1);
      xs_printf("  again %s, send %s, bind_vcpu 0 %s, 1 %s\n", xs_result(again), xs_result(send), xs_result(move0),
                xs_result(move1));
      struct evtchn_status s;
      xs_evtchn_status(DOMID_SELF, port, &s);
      xs_printf("  vCPU %u VIRQ %u, close %s\n", s.vcpu, s.u.virq, xs_result(xs_evtchn_close(port)));
    }
  }
  SHOW_AS(xs_bind_virq(~0u, 0, &port), "bind_virq ~0");
  SHOW_AS(xs_bind_virq(0x80000000u, 77, &port), "bind_virq 0x80000000 on vCPU 77");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 77, &port), "bind_virq timer on vCPU 77");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, ~0u, &port), "bind_virq timer on vCPU ~0");
  SHOW_AS(xs_bind_virq(VIRQ_CONSOLE, 77, &port), "bind_virq console on vCPU 77");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &timer), "bind_virq timer");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &port), "bind_virq timer again");
  SHOW_AS(xs_bind_virq(VIRQ_CONSOLE, 0, &console), "bind_virq console");
  status("timer", timer);
  status("console", console);
}

static void ipis(void) {
  evtchn_port_t port;
  status("the next free port", console + 1);
  SHOW_AS(xs_bind_ipi(0, &ipi), "bind_ipi 0");
  SHOW_AS(xs_bind_ipi(77, &port), "bind_ipi 77");
  SHOW_AS(xs_bind_ipi(~0u, &port), "bind_ipi ~0");
  SHOW_AS(xs_bind_ipi(128, &port), "bind_ipi 128");
  status("ipi", ipi);
}

static void pirqs(void) {
  evtchn_port_t port = 0;
  static const unsigned numbers[] = {0, 1, 15, 16, 23, 24, 55, 56, 255, 256, ~0u};
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    long r = bind_pirq(numbers[i], 0, &port);
    SHOW_AS(r, "bind_pirq %d", (int)numbers[i]);
    if (r) continue;
    SHOW_AS(bind_pirq(numbers[i], 1, &pirq), "bind_pirq again");
    SHOW_AS(xs_evtchn_close(port), "close");
    SHOW_AS(bind_pirq(numbers[i], BIND_PIRQ__WILL_SHARE, &pirq), "bind_pirq after close");
    XS_CHECK(!xs_evtchn_close(pirq));
  }
  SHOW_AS(bind_pirq(20, ~0u, &pirq), "bind_pirq 20, all flags");
  status("pirq", pirq);
}

/* Each operation on a port of each kind. */
static void each_kind(void) {
  XS_CHECK(!xs_bind_ipi(0, &closed) && !xs_evtchn_close(closed));
  const struct {
    const char* name;
    evtchn_port_t port;
  } kinds[] = {{"port 0", 0},     {"unbound", stranger}, {"interdomain", local}, {"ipi", ipi},    {"timer", timer},
               {"console", console}, {"pirq", pirq},        {"closed", closed},     {"beyond", BEYOND}, {"~0", ~0u}};
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const char* name = kinds[i].name;
    evtchn_port_t port = kinds[i].port;
    if (port && port != BEYOND && port != ~0u) XS_AND(&xs_shared_info.evtchn_mask[port / XS_BITS_PER_LONG], ~(1ul << port % XS_BITS_PER_LONG));
    SHOW_AS(xs_send(port), "send on %s", name);
    if (port < 1024) xs_printf("  pending: %u\n", xs_event_clear(port));
    SHOW_AS(xs_unmask(port), "unmask %s", name);
    SHOW_AS(xs_bind_vcpu(port, 0), "bind_vcpu %s, 0", name);
    SHOW_AS(xs_bind_vcpu(port, 1), "bind_vcpu %s, 1", name);
    SHOW_AS(xs_bind_vcpu(port, 77), "bind_vcpu %s, 77", name);
    evtchn_port_t poll = port;
    SHOW_AS(xs_poll(&poll, 1, 1), "poll %s", name);
    status(name, port);
    if (port < 1024) xs_event_clear(port);
  }
}

static void pending_and_upcall(void) {
  struct vcpu_info* info = xs_vcpu_info(0);
  XS_STORE(&info->evtchn_upcall_pending, 0);
  XS_STORE(&info->evtchn_pending_sel, 0);
  xs_event_mask(ipi);
  xs_send(ipi);
  xs_printf("masked: pending %u, upcall %u, selector %lx\n", xs_event_pending(ipi), XS_LOAD(&info->evtchn_upcall_pending),
            XS_LOAD(&info->evtchn_pending_sel));
  xs_unmask(ipi);
  xs_printf("unmasked: masked %u, pending %u, upcall %u, selector %lx\n", xs_event_masked(ipi), xs_event_pending(ipi),
            XS_LOAD(&info->evtchn_upcall_pending), XS_LOAD(&info->evtchn_pending_sel));
  XS_STORE(&info->evtchn_upcall_pending, 0);
  xs_unmask(ipi);
  xs_printf("unmasked again: upcall %u\n", XS_LOAD(&info->evtchn_upcall_pending));
  xs_event_mask(ipi);
  xs_unmask(ipi);
  xs_printf("selector still set: upcall %u\n", XS_LOAD(&info->evtchn_upcall_pending));
  xs_send(ipi);
  xs_printf("pending already: upcall %u\n", XS_LOAD(&info->evtchn_upcall_pending));
  xs_event_clear(ipi);
  xs_send(ipi);
  xs_printf("selector set already: pending %u, upcall %u\n", xs_event_pending(ipi), XS_LOAD(&info->evtchn_upcall_pending));
  xs_send(local); /* raises unbound */
  XS_STORE(&info->evtchn_pending_sel, 0);
  XS_STORE(&info->evtchn_upcall_pending, 0);
  long moved = xs_bind_vcpu(unbound, 0);
  xs_printf("bind_vcpu of a pending port: %s, selector %lx, upcall %u\n", xs_result(moved), XS_LOAD(&info->evtchn_pending_sel),
            XS_LOAD(&info->evtchn_upcall_pending));
}

static void close_all(void) {
  evtchn_port_t again = 0;
  SHOW_AS(xs_evtchn_close(0), "close port 0");
  SHOW_AS(xs_evtchn_close(closed), "close closed");
  SHOW_AS(xs_evtchn_close(BEYOND), "close beyond");
  SHOW_AS(xs_evtchn_close(~0u), "close ~0");
  xs_event_mask(local);
  xs_send(unbound);
  xs_printf("pending: unbound %u, local %u\n", xs_event_pending(unbound), xs_event_pending(local));
  SHOW_AS(xs_evtchn_close(local), "close local");
  xs_printf("local: pending %u, masked %u; unbound: pending %u\n", xs_event_pending(local), xs_event_masked(local),
            xs_event_pending(unbound));
  status("unbound", unbound);
  status("local", local);
  SHOW_AS(xs_send(unbound), "send unbound");
  SHOW_AS(xs_bind_interdomain(DOMID_SELF, unbound, &again), "bind_interdomain anew");
  xs_printf("the lowest free port: %s\n", again == local ? "yes" : "no");
  SHOW_AS(xs_evtchn_close(unbound), "close the unbound end");
  status("local", local);
  SHOW_AS(xs_evtchn_close(local), "close local, unbound now");
  SHOW_AS(xs_evtchn_close(stranger), "close stranger");
  SHOW_AS(xs_evtchn_close(ipi), "close ipi");
  SHOW_AS(xs_evtchn_close(timer), "close timer");
  SHOW_AS(xs_evtchn_close(console), "close console");
  SHOW_AS(xs_evtchn_close(pirq), "close pirq");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &timer), "bind_virq timer anew");
  SHOW_AS(bind_pirq(20, 0, &pirq), "bind_pirq 20 anew");
}

static void reset_all(void) {
  evtchn_port_t port = 0;
  SHOW_AS(reset(EVTCHNOP_reset, self), "reset, by our own number");
  status("timer", timer);
  SHOW_AS(xs_bind_ipi(0, &port), "bind_ipi");
  xs_printf("~ the first port is %u\n", port);
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &timer), "bind_virq timer");
  SHOW_AS(bind_pirq(20, 0, &pirq), "bind_pirq 20");
  SHOW_AS(reset(EVTCHNOP_reset, DOMID_SELF), "reset");
  SHOW_AS(reset(EVTCHNOP_reset, DOMID_SELF), "reset, nothing open");
}

void xs_main(void) {
  bad_arguments();
  allocate();
  virqs();
  ipis();
  interdomain();
  pirqs();
  each_kind();
  pending_and_upcall();
  close_all();
  reset_all();
  xs_success();
}
