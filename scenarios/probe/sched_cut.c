/* Row A4, SCHEDOP_shutdown: eight bits of the reason count: 0x103 is a crash. One answer a program. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) { probe_shutdown(0x103); }
