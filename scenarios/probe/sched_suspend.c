/* Row A4, SCHEDOP_shutdown: suspended, which a toolstack would resume. One answer a program. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) { probe_shutdown(SHUTDOWN_suspend); }
