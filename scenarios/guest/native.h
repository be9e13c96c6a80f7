/* The contract between a natively built guest program (<name>.so) and the host that runs it without a CPU model. Plain C, shared
 * by both sides.
 *
 * The image is an ELF shared object that needs nothing: no undefined symbol, only R_X86_64_RELATIVE relocations. It is linked at
 * the addresses of the guest's RAM layout (its first byte at 0x100000), so the host maps RAM of its own, copies each PT_LOAD to
 * ram + p_vaddr (the rest of p_memsz is zero), adds the address of its RAM at each relocation, and from then on a guest-physical
 * address is a host address minus that of the RAM. Each domain has an image of its own, and each run starts from a fresh one.
 *
 * The host calls xs_native_main(ops, vcpu) for vCPU 0 on a fiber whose stack is the image's own xs_native_stacks[0] (so that
 * hypercall arguments on the stack have guest-physical addresses), and for vCPU n, on xs_native_stacks[n], after the image asked
 * for it by `start_vcpu`. The image knows the vCPU that runs by the stack it is on; it keeps one ops pointer a vCPU.
 * xs_native_main does not return: the program ends by `exit` or by the SCHEDOP_shutdown hypercall, neither of which returns; a vCPU
 * other than 0 may also end by `leave`, which means that it halts for ever with interrupts off.
 *
 * xs_native_upcall() is the interrupt handler: the host calls it on the same fiber, from inside any of the functions below, when an
 * upcall is deliverable to this vCPU and its interrupts are on (they start off), turns them off for that time and on again after it.
 * It ends by `leave` too, and does not return.
 *
 * Nothing of the host lies on the image's stacks: the functions below run on a stack of the host's own, both entry points find no return
 * address, and all registers zero but for their arguments. What an earlier run left on a stack is not cleared: an image is built with
 * -ftrivial-auto-var-init=zero, so that neither variables nor the padding of structures show it. */
#ifndef XENSIM_SCENARIOS_GUEST_NATIVE_H_
#define XENSIM_SCENARIOS_GUEST_NATIVE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XS_NATIVE_MAX_VCPUS 8u
#define XS_NATIVE_STACK_BYTES 65536u

/* What an access does. `operand` is the value stored, exchanged, added, or-ed or and-ed. */
enum xs_native_op {
  XS_OP_LOAD = 0,
  XS_OP_STORE = 1,
  XS_OP_XCHG = 2,
  XS_OP_CMPXCHG = 3, /* stores `operand` if the memory holds `expected` */
  XS_OP_ADD = 4,
  XS_OP_OR = 5,
  XS_OP_AND = 6,
};

struct xs_native_ops {
  void* ctx; /* the host's: first argument of all below */
  /* One atomic access of 1, 2, 4 or 8 bytes, naturally aligned, to memory that others see too; a scheduling point.
     Returns the old value (of a
   * load: the value), zero-extended. `point_name` is what the ELF's record in .xensim_points says: "file.c:LINE kind". */
  uint64_t (*access)(void* ctx, const char* point_name, uint32_t op, volatile void* addr, uint32_t bytes, uint64_t operand,
                     uint64_t expected);
  long (*hypercall)(void* ctx, unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3,
                    unsigned long a4);
  void (*console)(void* ctx, const char* bytes, unsigned n); /* whole lines */
  void (*set_irq)(void* ctx, int enabled);                   /* CLI and STI */
  void (*halt)(void* ctx);                                   /* STI; HLT: returns, interrupts on, after an upcall was handled */
  void (*pause)(void* ctx, const char* point_name);
  void (*start_vcpu)(void* ctx, unsigned vcpu); /* INIT and SIPI; at most once a vCPU */
  uint64_t (*clock_ns)(void* ctx);              /* Xen system time */
  void (*exit)(void* ctx, int reason);          /* SHUTDOWN_*; does not return */
  void (*leave)(void* ctx);                     /* the end of an entry point; does not return */
};

/* What an image exports, for the host's symbol look-up:
 *   void xs_native_main(const struct xs_native_ops *ops, unsigned vcpu);
 *   void xs_native_upcall(void);
 *   unsigned char xs_native_stacks[XS_NATIVE_MAX_VCPUS][XS_NATIVE_STACK_BYTES];   in the nobits section .xensim_stacks */
typedef void (*xs_native_main_fn)(const struct xs_native_ops* ops, unsigned vcpu);
typedef void (*xs_native_upcall_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
