/* Typed hypercalls. Each gives what the hypervisor returned: 0 or more, or a negative errno. */
#ifndef XENSIM_GUEST_KIT_HYPERCALL_H_
#define XENSIM_GUEST_KIT_HYPERCALL_H_

#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

long xs_hypercall(unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4);

static inline long xs_hypercall1(unsigned nr, unsigned long a0) { return xs_hypercall(nr, a0, 0, 0, 0, 0); }
static inline long xs_hypercall2(unsigned nr, unsigned long a0, const volatile void* a1) {
  return xs_hypercall(nr, a0, (unsigned long)a1, 0, 0, 0);
}
static inline long xs_hypercall3(unsigned nr, unsigned long a0, unsigned long a1, const volatile void* a2) {
  return xs_hypercall(nr, a0, a1, (unsigned long)a2, 0, 0);
}

static inline long xs_evtchn_op(unsigned cmd, void* arg) { return xs_hypercall2(__HYPERVISOR_event_channel_op, cmd, arg); }
static inline long xs_sched_op(unsigned cmd, void* arg) { return xs_hypercall2(__HYPERVISOR_sched_op, cmd, arg); }
static inline long xs_vcpu_op(unsigned cmd, unsigned vcpu, void* arg) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, arg);
}
static inline long xs_memory_op(unsigned cmd, void* arg) { return xs_hypercall2(__HYPERVISOR_memory_op, cmd, arg); }
static inline long xs_hvm_op(unsigned cmd, void* arg) { return xs_hypercall2(__HYPERVISOR_hvm_op, cmd, arg); }
static inline long xs_xen_version(unsigned cmd, void* arg) { return xs_hypercall2(__HYPERVISOR_xen_version, cmd, arg); }
static inline long xs_grant_table_op(unsigned cmd, void* ops, unsigned count) {
  return xs_hypercall(__HYPERVISOR_grant_table_op, cmd, (unsigned long)ops, count, 0, 0);
}
static inline long xs_console_io(unsigned cmd, unsigned count, const char* bytes) {
  return xs_hypercall3(__HYPERVISOR_console_io, cmd, count, bytes);
}
static inline long xs_vm_assist(unsigned cmd, unsigned type) {
  return xs_hypercall(__HYPERVISOR_vm_assist, cmd, type, 0, 0, 0);
}
static inline long xs_set_timer_op(uint64_t deadline_ns) {
#ifdef __x86_64__
  return xs_hypercall1(__HYPERVISOR_set_timer_op, deadline_ns);
#else
  return xs_hypercall(__HYPERVISOR_set_timer_op, (uint32_t)deadline_ns, (uint32_t)(deadline_ns >> 32), 0, 0, 0);
#endif
}

/* ---- event channels: ports are results through a pointer, written when the call returned 0 ---- */

static inline long xs_alloc_unbound(domid_t dom, domid_t remote, evtchn_port_t* port) {
  struct evtchn_alloc_unbound op = {.dom = dom, .remote_dom = remote};
  long r = xs_evtchn_op(EVTCHNOP_alloc_unbound, &op);
  if (r == 0) *port = op.port;
  return r;
}
static inline long xs_bind_interdomain(domid_t remote, evtchn_port_t remote_port, evtchn_port_t* port) {
  struct evtchn_bind_interdomain op = {.remote_dom = remote, .remote_port = remote_port};
  long r = xs_evtchn_op(EVTCHNOP_bind_interdomain, &op);
  if (r == 0) *port = op.local_port;
  return r;
}
static inline long xs_bind_virq(unsigned virq, unsigned vcpu, evtchn_port_t* port) {
  struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
  long r = xs_evtchn_op(EVTCHNOP_bind_virq, &op);
  if (r == 0) *port = op.port;
  return r;
}
static inline long xs_bind_ipi(unsigned vcpu, evtchn_port_t* port) {
  struct evtchn_bind_ipi op = {.vcpu = vcpu};
  long r = xs_evtchn_op(EVTCHNOP_bind_ipi, &op);
  if (r == 0) *port = op.port;
  return r;
}
static inline long xs_evtchn_close(evtchn_port_t port) {
  struct evtchn_close op = {.port = port};
  return xs_evtchn_op(EVTCHNOP_close, &op);
}
static inline long xs_send(evtchn_port_t port) {
  struct evtchn_send op = {.port = port};
  return xs_evtchn_op(EVTCHNOP_send, &op);
}
static inline long xs_unmask(evtchn_port_t port) {
  struct evtchn_unmask op = {.port = port};
  return xs_evtchn_op(EVTCHNOP_unmask, &op);
}
static inline long xs_bind_vcpu(evtchn_port_t port, unsigned vcpu) {
  struct evtchn_bind_vcpu op = {.port = port, .vcpu = vcpu};
  return xs_evtchn_op(EVTCHNOP_bind_vcpu, &op);
}
static inline long xs_evtchn_status(domid_t dom, evtchn_port_t port, struct evtchn_status* out) {
  out->dom = dom;
  out->port = port;
  return xs_evtchn_op(EVTCHNOP_status, out);
}
static inline long xs_evtchn_reset(domid_t dom) {
  struct evtchn_reset op = {.dom = dom};
  return xs_evtchn_op(EVTCHNOP_reset, &op);
}

/* ---- scheduling and timers ---- */

/* `timeout_ns` is absolute system time for Xen, 0 for none. */
static inline long xs_poll(evtchn_port_t* ports, unsigned nr_ports, uint64_t timeout_ns) {
  struct sched_poll op = {.nr_ports = nr_ports, .timeout = timeout_ns};
  set_xen_guest_handle(op.ports, ports);
  return xs_sched_op(SCHEDOP_poll, &op);
}
static inline long xs_shutdown(unsigned reason) {
  struct sched_shutdown op = {.reason = reason};
  return xs_sched_op(SCHEDOP_shutdown, &op);
}
static inline long xs_set_singleshot(unsigned vcpu, uint64_t deadline_ns, uint32_t flags) {
  struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = deadline_ns, .flags = flags};
  return xs_vcpu_op(VCPUOP_set_singleshot_timer, vcpu, &op);
}
static inline long xs_stop_singleshot(unsigned vcpu) { return xs_vcpu_op(VCPUOP_stop_singleshot_timer, vcpu, 0); }
static inline long xs_set_periodic(unsigned vcpu, uint64_t period_ns) {
  struct vcpu_set_periodic_timer op = {.period_ns = period_ns};
  return xs_vcpu_op(VCPUOP_set_periodic_timer, vcpu, &op);
}
static inline long xs_stop_periodic(unsigned vcpu) { return xs_vcpu_op(VCPUOP_stop_periodic_timer, vcpu, 0); }

/* ---- memory and HVM ---- */

static inline long xs_add_to_physmap(unsigned space, unsigned long idx, xen_pfn_t gfn) {
  struct xen_add_to_physmap op = {.domid = DOMID_SELF, .space = space, .idx = idx, .gpfn = gfn};
  return xs_memory_op(XENMEM_add_to_physmap, &op);
}
static inline long xs_hvm_set_param(uint32_t index, uint64_t value) {
  struct xen_hvm_param op = {.domid = DOMID_SELF, .index = index, .value = value};
  return xs_hvm_op(HVMOP_set_param, &op);
}
static inline long xs_hvm_get_param(uint32_t index, uint64_t* value) {
  struct xen_hvm_param op = {.domid = DOMID_SELF, .index = index};
  long r = xs_hvm_op(HVMOP_get_param, &op);
  if (r == 0) *value = op.value;
  return r;
}
static inline long xs_set_upcall_vector(unsigned vcpu, unsigned vector) {
  struct xen_hvm_evtchn_upcall_vector op = {.vcpu = vcpu, .vector = (uint8_t)vector};
  return xs_hvm_op(HVMOP_set_evtchn_upcall_vector, &op);
}

#endif
