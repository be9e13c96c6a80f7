/* Row A4, SCHEDOP_shutdown: suspended, which a toolstack would resume. One answer a program. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) {
  struct sched_shutdown end = {.reason = SHUTDOWN_suspend};
  xs_printf("shutdown, reason %u\n", end.reason);
  SHOW_AS(xs_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &end), "it came back");
  xs_success();
}
