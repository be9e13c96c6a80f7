/* IPIs by event channels: a token goes round all vCPUs, each one waiting for it in HLT and passing it on by EVTCHNOP_send to a
 * port that EVTCHNOP_bind_ipi bound to the next.
 * Expected: every vCPU counts ROUNDS upcalls, none is lost, none comes twice. 2 to 8 vCPUs.
 * Built with VCPU_VECTOR upcalls come through each local APIC (HVMOP_set_evtchn_upcall_vector), not by the domain's callback. */
#include "xs.h"

#define ROUNDS 3u

static unsigned vcpus;
static evtchn_port_t port_of[XS_MAX_VCPUS];
static unsigned tokens[XS_MAX_VCPUS]; /* received, a vCPU's own */
static unsigned finished;             /* vCPUs that have had their last token */

static void on_token(evtchn_port_t port) {
  unsigned vcpu = xs_vcpu();
  XS_CHECK(port == port_of[vcpu]);
  tokens[vcpu]++;
}

static void pass_on(unsigned vcpu) {
  long r = xs_send(port_of[(vcpu + 1) % vcpus]);
  if (r) xs_failure("send: %s", xs_result(r));
}

#ifdef VCPU_VECTOR
static unsigned ready; /* vCPUs that have their vector */

/* The token must not come before the vector: QEMU does not make up for an upcall that had none. */
static void set_vector(void) {
  long r = xs_events_init_vcpu_vector();
  if (r) xs_failure("set_evtchn_upcall_vector: %s", xs_result(r));
  XS_FETCH_ADD(&ready, 1);
  while (XS_LOAD(&ready) < vcpus) xs_pause();
}
#endif

static void take_turns(unsigned vcpu) {
#ifdef VCPU_VECTOR
  set_vector();
#endif
  if (vcpu == 0) pass_on(0);
  for (unsigned round = 1; round <= ROUNDS; round++) {
    XS_WAIT(*(volatile unsigned*)&tokens[vcpu] == round);
    XS_FETCH_ADD(&finished, round == ROUNDS);
    if (vcpu || round < ROUNDS) pass_on(vcpu);
  }
}

void xs_main(void) {
  vcpus = xs_vcpu_count();
  if (vcpus < 2) xs_skip("needs two vCPUs");
#ifndef VCPU_VECTOR
  xs_events_init();
#endif
  for (unsigned vcpu = 0; vcpu < vcpus; vcpu++) {
    long r = xs_bind_ipi(vcpu, &port_of[vcpu]);
    if (r) xs_failure("bind_ipi to vCPU %u: %s", vcpu, xs_result(r));
    xs_on_event(port_of[vcpu], on_token);
  }
  evtchn_port_t none = 0;
  xs_printf("bind_ipi to vCPU %u: %s\n", vcpus, xs_result(xs_bind_ipi(vcpus, &none)));
  xs_start_vcpus(vcpus, take_turns);
  take_turns(0);
  XS_CHECK(XS_LOAD(&finished) == vcpus);
  for (unsigned vcpu = 0; vcpu < vcpus; vcpu++) xs_printf("vCPU %u had %u tokens\n", vcpu, tokens[vcpu]);
  xs_success();
}
