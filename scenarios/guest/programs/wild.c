/* What a program must not do and a machine must survive: a store through a null pointer, a jump into nothing, a recursion without end,
 * a division by zero, an opcode that is none; LATE: a store through a pointer that another vCPU sets, most often in time. Of use to
 * tests alone; natively each is a signal of the host's, on a CPU an exception of the guest's. */
#include "xs.h"

static unsigned target;
static unsigned* volatile shared;

__attribute__((unused)) static void vcpu1(unsigned vcpu) {
  (void)vcpu;
  XS_STORE((uintptr_t*)&shared, (uintptr_t)&target);
}

__attribute__((noinline, unused)) static unsigned deeper(volatile unsigned* above) {
  volatile unsigned mine[64];
  mine[0] = *above + 1;
  return mine[0] ? deeper(mine) + mine[0] : 0;
}

void xs_main(void) {
  volatile unsigned zero = 0;
  (void)zero;
#if defined(NULL_STORE)
  volatile unsigned* volatile nothing = 0;
  *nothing = 1;
#elif defined(JUMP)
  void (*volatile nowhere)(void) = (void (*)(void))0x7f0000000000;
  nowhere();
#elif defined(RECURSION)
  zero = deeper(&zero);
#elif defined(DIVISION)
  unsigned result;
  __asm__ volatile("xor %%edx, %%edx; mov $1, %%eax; divl %1" : "=&a"(result) : "m"(zero) : "edx");
#elif defined(OPCODE)
  __asm__ volatile("ud2");
#else
  xs_start_vcpus(2, vcpu1);
  volatile unsigned* late = (unsigned*)XS_LOAD((uintptr_t*)&shared);
  *late = 1;
  xs_success();
#endif
  xs_failure("it was let through");
}
