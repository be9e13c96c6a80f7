/* Row A4: a watchdog that is not fed ends the domain, with reason watchdog; one that was given back does not. KVM has none, and
 * powers off. ELF only, 1 vCPU. */
#include "probe.h"

static long watchdog(uint32_t id, uint32_t timeout_s) {
  struct sched_watchdog args = {.id = id, .timeout = timeout_s};
  return xs_sched_op(SCHEDOP_watchdog, &args);
}

/* Sleeps: a poll's timeout is absolute on Xen and relative on KVM. */
static void sleep_ms(unsigned ms, int relative) {
  struct sched_poll none = {.nr_ports = 0, .timeout = (relative ? 0 : xs_now_ns()) + ms * XS_MS};
  xs_sched_op(SCHEDOP_poll, &none);
}

void xs_main(void) {
  int relative = watchdog(9, 1) == -XEN_ENOSYS;
  SHOW(watchdog(0, 2));
  SHOW(watchdog(0, 600));
  SHOW(watchdog(1, 0));
  sleep_ms(3000, relative);
  xs_printf("after 3 s: still here\n");
  if (watchdog(2, 1) != 0) xs_success();
  sleep_ms(500, relative);
  SHOW(watchdog(2, 1)); /* fed */
  sleep_ms(700, relative);
  xs_printf("after 1.2 s: still here\n");
  sleep_ms(30000, relative);
  xs_failure("the watchdog does not bite");
}
