/* The native build's side of native.h: entry points, and each primitive as a call into the host. */
#include "internal.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned char xs_native_stacks[XS_MAX_VCPUS][XS_STACK_BYTES]
    __attribute__((aligned(4096), section(".xensim_stacks,\"aw\",@nobits#")));

static const struct xs_native_ops* ops_of[XS_MAX_VCPUS];
static void (*vcpu_entry)(unsigned vcpu);
static volatile unsigned vcpus_running; /* others that have begun; one host thread runs them all */
extern char xs_image_start[]; /* the linker script's: at guest-physical 0x100000 */

static const struct xs_native_ops* ops(void) { return ops_of[xs_vcpu()]; }

/* Calls one of them; the host's address of it is loaded last, so that it is never kept on the stack. */
#define OPS(function, ...)                 \
  ({                                       \
    const struct xs_native_ops* o_ = ops(); \
    o_->function(o_->ctx, ##__VA_ARGS__);   \
  })

uint64_t xs_gpa(const volatile void* p) { return (uintptr_t)p - (uintptr_t)xs_image_start + 0x100000; }

uint64_t xs_native_access(const char* point_name, uint32_t op, volatile void* addr, uint32_t bytes, uint64_t operand,
                          uint64_t expected) {
  return OPS(access, point_name, op, addr, bytes, operand, expected);
}

void xs_native_pause(const char* point_name) { OPS(pause, point_name); }

long xs_hypercall(unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4) {
  return OPS(hypercall, nr, a0, a1, a2, a3, a4);
}

void xs_console_write(const char* text, size_t length) { OPS(console, text, (unsigned)length); }

void xs_cli(void) { OPS(set_irq, 0); }
void xs_sti(void) { OPS(set_irq, 1); }
void xs_halt(void) { OPS(halt); }

void xs_stop(void) {
  xs_cli();
  for (;;) xs_sched_op(SCHEDOP_block, 0);
}

uint64_t xs_now_ns(void) { return OPS(clock_ns); }

void xs_delay(unsigned turns) { (void)turns; }

void xs_exit(unsigned reason) {
  for (;;) OPS(exit, (int)reason);
}

void xs_start_vcpus(unsigned count, void (*entry)(unsigned vcpu)) {
  vcpu_entry = entry;
  for (unsigned vcpu = 1; vcpu < count; vcpu++) OPS(start_vcpu, vcpu);
  /* As the ELF's kit waits (smp.c), at points of the same name: or a schedule found here would count others there. */
  while (vcpus_running + 1 < count) OPS(pause, 0);
}

static void leave(void) {
  for (;;) OPS(leave);
}

EXPORT void xs_native_main(const struct xs_native_ops* o, unsigned vcpu) {
  ops_of[vcpu] = o;
  if (vcpu) {
    vcpus_running++;
    vcpu_entry(vcpu);
    leave();
  }
  long r = xs_add_to_physmap(XENMAPSPACE_shared_info, 0, xs_gfn(&xs_shared_info));
  if (r) xs_error("shared_info: %s", xs_result(r));
  xs_main();
  xs_error("xs_main returned");
}

EXPORT void xs_native_upcall(void) {
  xs_upcall();
  leave();
}
