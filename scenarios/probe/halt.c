/* HLT with interrupts off, on the only vCPU: the real Xen takes the vCPU down, and with the last one the domain powers off.
 * The real KVM halts for ever. ELF only, 1 vCPU. */
#include "probe.h"

void xs_main(void) {
  xs_printf("halting with interrupts off\n");
  xs_stop();
}
