/* A mistake that a machine must survive: while vCPU 1 sleeps inside a hypercall, vCPU 0 reaches for an address that no guest has. Of
 * use to tests alone; natively it is the host that refuses the access, on a CPU it is a page fault. */
#include "xs.h"

static evtchn_port_t port;

static void vcpu1(unsigned vcpu) {
  (void)vcpu;
  xs_poll(&port, 1, 0);
}

void xs_main(void) {
  long r = xs_bind_ipi(1, &port);
  if (r) xs_error("bind_ipi: %s", xs_result(r));
  xs_start_vcpus(2, vcpu1);
  for (unsigned turn = 0; turn < 4; turn++) xs_pause();
  unsigned* nowhere = (unsigned*)0x7f0000000000ul;
  XS_STORE(nowhere, 1);
  xs_failure("the access was let through");
}
