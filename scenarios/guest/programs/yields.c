/* Waits for what never comes: by SCHEDOP_yield, or with SPINS by a loop that never leaves the processor, or with CALLS by a hypercall
 * that answers at once. Of use to tests of a run's limits alone. */
#include "xs.h"

void xs_main(void) {
  xs_printf("begun\n");
  for (;;) {
#if defined(SPINS)
    __asm__ volatile("1: jmp 1b");
#elif defined(CALLS)
    xs_xen_version(XENVER_version, 0);
#else
    xs_sched_op(SCHEDOP_yield, 0);
#endif
  }
}
