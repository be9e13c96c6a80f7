/* Row A5: VCPUOP_initialise: every mode of struct vcpu_hvm_context and each of its checks, and that a vCPU so started runs. KVM with
 * QEMU has not the call. ELF only, 8 vCPUs, which no INIT wakes. */
#include "probe.h"

#include <xen/hvm/hvm_vcpu.h>

static vcpu_hvm_context_t context;
static unsigned next = 1; /* the first vCPU that was never initialised */
static volatile unsigned probe_mark; /* what a started vCPU stores */

/* Without a stack, in whatever 32-bit mode: %eax goes to probe_mark, and the vCPU down. The same bytes do for 64 bits. */
extern const unsigned char probe_start[];
__asm__(
    ".pushsection .text\n"
    ".code32\n"
    "probe_start:\n\t"
    "mov %eax,(%edi)\n"
    "1:\tcli\n\t"
    "hlt\n\t"
    "jmp 1b\n\t"
#ifdef __x86_64__
    ".code64\n\t"
#endif
    ".popsection\n");

#define SEGMENTS(prefix, attributes)                   \
  do {                                                 \
    context.cpu_regs.x86_32.prefix##_base = 0;         \
    context.cpu_regs.x86_32.prefix##_limit = 0xfffff;  \
    context.cpu_regs.x86_32.prefix##_ar = attributes;  \
  } while (0)

/* Flat protected mode without paging. */
static struct vcpu_hvm_x86_32* protected32(void) {
  memset(&context, 0, sizeof context);
  context.mode = VCPU_HVM_MODE_32B;
  SEGMENTS(cs, 0xc9b);
  SEGMENTS(ds, 0xc93);
  SEGMENTS(ss, 0xc93);
  SEGMENTS(es, 0xc93);
  SEGMENTS(tr, 0x08b);
  struct vcpu_hvm_x86_32* regs = &context.cpu_regs.x86_32;
  regs->tr_limit = 0x67;
  regs->cr0 = 0x11;
  regs->eip = (uint32_t)(uintptr_t)probe_start;
  regs->edi = (uint32_t)(uintptr_t)&probe_mark;
  regs->eflags = 2;
  return regs;
}

#ifdef __x86_64__
extern unsigned long xs_pml4[512];
#endif

static struct vcpu_hvm_x86_64* long64(void) {
  memset(&context, 0, sizeof context);
  context.mode = VCPU_HVM_MODE_64B;
  struct vcpu_hvm_x86_64* regs = &context.cpu_regs.x86_64;
  regs->cr0 = 0x80000011;
  regs->cr4 = 0x20;
  regs->efer = 0xd00; /* NXE: the kit's page tables have the bit */
#ifdef __x86_64__
  regs->cr3 = xs_gpa(xs_pml4);
#endif
  regs->rip = (uintptr_t)probe_start;
  regs->rdi = (uintptr_t)&probe_mark;
  regs->rflags = 2;
  return regs;
}

static long initialise(unsigned vcpu) { return xs_hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, &context); }

/* A context that is refused: the next vCPU stays as it was. One that is taken uses it up. */
static void check(const char* what) {
  long r = next < xs_vcpu_count() ? initialise(next) : -XEN_EEXIST;
  xs_printf("%s: %s\n", what, xs_result(r));
  if (r == 0) next++;
}

/* A context that is taken: the vCPU comes up, and stores its mark. */
static void start(const char* what, unsigned mark) {
  context.mode == VCPU_HVM_MODE_64B ? (context.cpu_regs.x86_64.rax = mark) : (context.cpu_regs.x86_32.eax = mark);
  probe_mark = 0;
  unsigned vcpu = next;
  check(what);
  if (next == vcpu) return;
  long up = xs_vcpu_op(VCPUOP_up, vcpu, 0);
  uint64_t begin = xs_now_ns();
  while (probe_mark != mark && xs_now_ns() - begin < 2000 * XS_MS) xs_pause();
  xs_printf("%s, up: %s, %s\n", what, xs_result(up), probe_mark == mark ? "it runs" : "nothing seen of it");
}

#define BAD32(change)                                    \
  do {                                                   \
    struct vcpu_hvm_x86_32* r = protected32();           \
    change;                                              \
    check("32-bit, " #change);                           \
  } while (0)
#define BAD64(change)                                    \
  do {                                                   \
    struct vcpu_hvm_x86_64* r = long64();                \
    change;                                              \
    check("64-bit, " #change);                           \
  } while (0)

static void general(void) {
  protected32();
  SHOW(initialise(0));
  SHOW(initialise(xs_vcpu_count()));
  SHOW(xs_hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, probe_edge()));
  SHOW(xs_hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, probe_edge() - 8));
  context.pad = 1;
  check("pad");
  for (unsigned mode = 2; mode < 5; mode++) {
    protected32();
    context.mode = mode;
    xs_printf("mode %u: %s\n", mode, xs_result(initialise(1)));
  }
}

static void checks_32(void) {
  BAD32(r->pad1 = 1);
  BAD32(r->pad2[0] = 1);
  BAD32(r->pad2[1] = 1);
  BAD32(r->pad2[2] = 1);
  BAD32(r->cs_ar = 0);
  BAD32(r->ss_ar = 0);
  BAD32(r->tr_ar = 0);
  BAD32(r->cs_ar = 0xc93);
  BAD32(r->cs_ar = 0xc1b);
  BAD32(r->cs_ar = 0xc8b);
  BAD32(r->cs_ar |= 0x1000);
  BAD32(r->cs_ar |= 0x8000);
  BAD32(r->ds_ar |= 0x2000);
  BAD32(r->ss_ar = 0xc91);
  BAD32(r->ss_ar = 0xc9b);
  BAD32(r->ss_ar = 0xcf3);
  BAD32(r->ss_ar = 0xc13);
  BAD32(r->ds_ar = 0xc99);
  BAD32(r->ds_ar = 0xcf3);
  BAD32(r->ds_ar = 0xc13);
  BAD32(r->ds_ar = 0xc82);
  BAD32(r->es_ar = 0xc99);
  BAD32(r->es_ar = 0xcf3);
  BAD32(r->es_ar = 0xc13);
  BAD32(r->tr_ar = 0x081);
  BAD32(r->tr_ar = 0x083);
  BAD32(r->tr_ar = 0x09b);
  BAD32(r->tr_ar = 0x00b);
  BAD32(r->tr_ar = 0x009);
  BAD32((r->cs_ar = 0x49b, r->eip = 0x100000));
  BAD32((r->cs_limit = 0xff, r->eip = 0x100000));
  BAD32(r->efer = 0x400);
  BAD32(r->efer = 1u << 12);
  BAD32(r->efer = 1u << 13);
  BAD32(r->efer = 1u << 14);
  BAD32(r->efer = 1u << 15);
  BAD32(r->efer = 1u << 1);
  BAD32(r->cr4 = 1u << 11);
  BAD32(r->cr4 = 1u << 12);
  BAD32(r->cr4 = 1u << 13);
  BAD32(r->cr4 = 1u << 14);
  BAD32(r->cr4 = 1u << 15);
  BAD32(r->cr4 = 1u << 19);
  BAD32(r->cr4 = 1u << 23);
  BAD32(r->cr4 = 1u << 24);
  BAD32(r->cr4 = 1u << 31);
}

static void checks_64(void) {
  BAD64(r->rip = 1ull << 47);
  BAD64(r->rip = 1ull << 63);
  BAD64(r->cr0 = 0x11);
  BAD64(r->cr4 = 0);
  BAD64(r->cr4 |= 1u << 31);
  BAD64(r->cr4 |= 1ull << 32);
  BAD64(r->efer = 0);
  BAD64(r->efer = 0x400);
  BAD64(r->efer |= 1ull << 40);
}

static void runs(void) {
  protected32();
  start("32-bit, protected mode", 0x101);
  struct vcpu_hvm_x86_32* regs = protected32();
  regs->es_ar = 0;
  regs->ds_ar = 0xc92;
  regs->tr_ar = 0x089;
  start("32-bit, null ES, bits that are set for it", 0x102);
#ifdef __x86_64__
  regs = protected32();
  regs->cr0 = 0x80000011;
  regs->cr4 = 0x20;
  regs->cr3 = (uint32_t)xs_gpa(xs_pml4);
  regs->efer = 0x900;
  start("32-bit, compatibility mode", 0x103);
  long64();
  start("64-bit", 0x104);
  struct vcpu_hvm_x86_64* wide = long64();
  wide->efer = 0x900;
  start("64-bit, EFER without LMA", 0x105);
#else
  regs = protected32();
  uint32_t cr3;
  __asm__ volatile("mov %%cr3,%0" : "=r"(cr3));
  regs->cr0 = 0x80000011;
  regs->cr4 = 0x10;
  regs->cr3 = cr3;
  start("32-bit, paging", 0x106);
  long64();
  xs_printf("64-bit from a 32-bit guest: %s\n", xs_result(initialise(next)));
  next++;
#endif
  SHOW(initialise(1));
  SHOW(initialise(2));
}

void xs_main(void) {
  if (xs_vcpu_count() < 8) xs_skip("needs eight vCPUs");
  general();
  checks_32();
  checks_64();
  runs();
  xs_success();
}
