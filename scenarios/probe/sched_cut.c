/* Row A4, SCHEDOP_shutdown: eight bits of the reason count: 0x103 is a crash. One answer a program. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) {
  struct sched_shutdown end = {.reason = 0x103};
  xs_printf("shutdown, reason %u\n", end.reason);
  SHOW_AS(xs_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &end), "it came back");
  xs_success();
}
