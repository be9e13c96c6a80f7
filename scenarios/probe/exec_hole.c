/* A jump to an address at which nothing lies.
 * Expected: Xen #GP; KVM's emulator fails, and the vCPU never runs again. 1 vCPU, 64 MiB. */
#include "probe.h"

static void on_exception(struct xs_regs* regs) {
  xs_printf("exception %u, error code 0x%lx\n", (unsigned)regs->vector, (unsigned long)regs->error);
  xs_success();
}

void xs_main(void) {
  volatile unsigned char* at = (volatile unsigned char*)0x9000000ul;
  for (unsigned vector = 0; vector < 20; vector++) xs_on_vector(vector, on_exception);
  xs_make_executable(at);
  xs_printf("read there: 0x%x\n", at[0]);
  ((void (*)(void))(uintptr_t)at)();
  xs_failure("it came back");
}
