/* Row A4: SCHEDOP_shutdown_code sets the reason, the first time; a shutdown that says another then has that one. The domain ends as
 * a reboot, on KVM as the last call says. ELF only, 1 vCPU. */
#include "probe.h"

static long code(unsigned reason) {
  struct sched_shutdown args = {.reason = reason};
  return xs_sched_op(SCHEDOP_shutdown_code, &args);
}

void xs_main(void) {
  SHOW(code(SHUTDOWN_reboot + 256)); /* of the reason, eight bits */
  SHOW(code(SHUTDOWN_crash));
  xs_printf("now a poweroff\n");
  xs_exit(SHUTDOWN_poweroff);
}
