/* What the kit's own files share. */
#ifndef XENSIM_GUEST_KIT_INTERNAL_H_
#define XENSIM_GUEST_KIT_INTERNAL_H_

#include "xs.h"

/* One a vCPU, the first thing on it at the top; which of them the stack pointer is in tells the vCPU. */
#ifdef XENSIM_NATIVE
#define xs_stacks xs_native_stacks
#endif
extern unsigned char xs_stacks[XS_MAX_VCPUS][XS_STACK_BYTES];

/* The upcall handler of the program, or the kit's. */
extern void (*xs_upcall)(void);
/* True where upcalls come through the local APIC and want an EOI (ELF only). */
extern unsigned char xs_upcall_wants_eoi[XS_MAX_VCPUS];

/* Text that is a whole line, to whatever the console is. */
void xs_console_write(const char* text, size_t length);

#endif
