/* Row A4, SCHEDOP_shutdown: the reason that Xen's own watchdog gives. One answer a program. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) { probe_shutdown(SHUTDOWN_watchdog); }
