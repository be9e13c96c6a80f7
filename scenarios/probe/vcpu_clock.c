/* Rows A1, A2 and A5: what a guest reads of the time: vcpu_time_info and its second copy, the wall clock, the layout that is latched.
 * ELF only, 2 vCPUs. */
#include "probe.h"

static unsigned char page[2 * XS_PAGE] XS_PAGE_ALIGNED;
static volatile uint64_t other_now; /* what vCPU 1 reads, again and again */
static volatile unsigned stop;

static long op(unsigned cmd, unsigned vcpu, const volatile void* argument) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, argument);
}

static void time_info(void) {
  volatile struct vcpu_time_info* time = &xs_vcpu_info(0)->time;
  xs_printf("time: version %s, flags but for TSC_STABLE 0x%x\n", time->version == 0 ? "0" : time->version & 1 ? "odd" : "even",
            time->flags & ~XEN_PVCLOCK_TSC_STABLE_BIT);
  xs_printf("~ flags 0x%x, multiplier 0x%x, shift %d\n", time->flags, time->tsc_to_system_mul, time->tsc_shift);
  xs_printf("padding %u %u %u\n", time->pad0, time->pad1[0], time->pad1[1]);
  uint64_t last = xs_now_ns();
  unsigned backwards = 0;
  for (unsigned i = 0; i < 10000; i++) {
    uint64_t now = xs_now_ns();
    backwards += now < last;
    last = now;
  }
  xs_printf("10000 reads: %u backwards\n", backwards);
}

static long register_time(unsigned vcpu, volatile void* where) {
  struct vcpu_register_time_memory_area args;
  memset(&args, 0, sizeof args);
  args.addr.v = (struct vcpu_time_info*)where;
  return op(VCPUOP_register_vcpu_time_memory_area, vcpu, &args);
}

static void copy_at(const char* what, unsigned char* where) {
  memset(where - 8, 0, 8);
  memset(where, 0, sizeof(struct vcpu_time_info) + 8);
  struct vcpu_time_info copy;
  long r = register_time(0, where);
  memcpy(&copy, where, sizeof copy);
  SHOW_AS(r, "time area %s", what);
  int same = copy.tsc_to_system_mul == xs_vcpu_info(0)->time.tsc_to_system_mul && copy.tsc_shift == xs_vcpu_info(0)->time.tsc_shift;
  xs_printf("time area %s: version %s, scale %s, flags %s\n", what,
            copy.version == 0 ? "0" : copy.version & 1 ? "odd" : "even", same ? "as in vcpu_info" : "another",
            ((copy.flags ^ xs_vcpu_info(0)->time.flags) & ~XEN_PVCLOCK_TSC_STABLE_BIT) == 0 ? "too" : "others");
  unsigned char around = 0;
  for (int i = 0; i < 8; i++) around |= where[i - 8] | where[(int)sizeof copy + i];
  xs_printf("time area %s: bytes around it %s\n", what, around ? "written" : "untouched");
}

static void time_areas(void) {
  copy_at("aligned", page + 64);
  copy_at("at an odd address", page + 67);
  copy_at("over a page's edge", page + XS_PAGE - 6);
  SHOW_AS(register_time(0, probe_edge()), "time area where nothing is mapped");
  SHOW_AS(register_time(0, probe_edge() - 16), "time area whose end is not mapped");
  SHOW_AS(register_time(0, probe_noncanonical()), "time area at a wrong address");
  SHOW_AS(register_time(0, 0), "time area given up");
  SHOW_AS(register_time(99, page + 64), "time area of a vCPU that does not exist");
  memset(page + 64, 0, 64);
  SHOW_AS(register_time(1, page + 64), "time area of a vCPU that never ran");
  struct vcpu_time_info copy;
  memcpy(&copy, page + 64, sizeof copy);
  xs_printf("it is %s\n", copy.version ? "written" : "empty");
}

/* The page as bytes: its struct is shorter in 32-bit builds. */
static volatile unsigned char* shared_page(void) {
  uintptr_t page_at = (uintptr_t)&xs_shared_info;
  __asm__("" : "+r"(page_at));
  return (volatile unsigned char*)page_at;
}

static void wall_clock(const char* what) {
  volatile unsigned char* shared = shared_page();
  volatile uint32_t* wide = (volatile uint32_t*)(shared + 0xc00);
  volatile uint32_t* narrow = (volatile uint32_t*)(shared + 0x900);
  volatile uint32_t* narrow_hi = (volatile uint32_t*)(shared + 0x924);
  xs_printf("%s: 64-bit wall clock: version %s, seconds %s, nanoseconds %s, high seconds %u\n", what,
            wide[0] == 0 ? "0" : wide[0] & 1 ? "odd" : "even", wide[1] > 1500000000 ? "plausible" : wide[1] ? "odd" : "0",
            wide[2] < 1000000000 ? "below a second" : "too many", wide[3]);
  xs_printf("%s: 32-bit wall clock: version %s, seconds %s, nanoseconds %s, high seconds %u\n", what,
            narrow[0] == 0 ? "0" : narrow[0] & 1 ? "odd" : "even", narrow[1] > 1500000000 ? "plausible" : narrow[1] ? "odd" : "0",
            narrow[2] < 1000000000 ? "below a second" : "too many", *narrow_hi);
}

#ifdef __x86_64__
static evtchn_port_t port;

/* A hypercall from compatibility mode: what is in rdi and rsi goes as ebx and ecx. Returns eax. */
extern unsigned char xs_hypercall_page[];
long compat_hypercall(unsigned long entry, unsigned long a0, unsigned long a1);
__asm__(
    ".pushsection .text\n"
    "compat_hypercall:\n\t"
    "push %rbx\n\t"
    "push %rbp\n\t"
    "mov %rdi,%rax\n\t"
    "mov %rsi,%rbx\n\t"
    "mov %rdx,%rcx\n\t"
    "lcall *compat_pointer\n\t"
    "mov %eax,%eax\n\t"
    "cltq\n\t"
    "pop %rbp\n\t"
    "pop %rbx\n\t"
    "ret\n"
    ".balign 8\n"
    "compat_pointer:\t.long compat_code, 0x08\n"
    ".code32\n"
    "compat_code:\n\t"
    "call *%eax\n\t"
    "lret\n\t"
    ".code64\n\t"
    ".popsection\n");

static long set_callback_narrow(void) {
  static struct xen_hvm_param param;
  param = (struct xen_hvm_param){.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ, .value = 2ull << 56 | XS_UPCALL_VECTOR};
  return compat_hypercall((unsigned long)(xs_hypercall_page + __HYPERVISOR_hvm_op * 32), HVMOP_set_param, (unsigned long)&param);
}

/* Words of the bitmap that a send of `port` set: of 64 bits at 0x800 or of 32. */
static void where_pending(const char* what) {
  volatile unsigned char* shared = shared_page();
  xs_send(port);
  volatile uint32_t* selector32 = (volatile uint32_t*)((volatile unsigned char*)xs_vcpu_info(0) + 4);
  volatile uint64_t* selector64 = (volatile uint64_t*)((volatile unsigned char*)xs_vcpu_info(0) + 8);
  xs_printf("%s, a port between 32 and 63: pending %u, selector of 32 bits 0x%x, of 64 bits 0x%llx\n", what,
            shared[0x800 + port / 8] >> port % 8 & 1, *selector32, (unsigned long long)*selector64);
  *selector32 = 0;
  *selector64 = 0;
  xs_vcpu_info(0)->evtchn_upcall_pending = 0;
  shared[0x800 + port / 8] = 0;
}

static void latch(void) {
  do XS_CHECK(xs_bind_ipi(0, &port) == 0);
  while (port < 40);
  where_pending("64-bit layout");
  memset((unsigned char*)shared_page() + 0x900, 0, 0x28);
  SHOW(set_callback_narrow());
  wall_clock("callback set in 32-bit mode");
  where_pending("32-bit layout");
  volatile uint32_t* version = (volatile uint32_t*)(shared_page() + 0xc00);
  uint32_t before = *version;
  xs_events_init();
  xs_printf("callback set in 64-bit mode: wall clock's version %s\n", *version == before ? "the same" : "another");
  before = *version;
  xs_events_init();
  xs_printf("callback set in 64-bit mode again: wall clock's version %s\n", *version == before ? "the same" : "another");
  where_pending("64-bit layout");
}
#endif

static void read_clock(unsigned vcpu) {
  (void)vcpu;
  while (!stop) other_now = xs_now_ns();
  for (;;) xs_pause();
}

static void two_vcpus(void) {
  unsigned backwards = 0;
  xs_start_vcpus(2, read_clock);
  while (!other_now) xs_pause();
  for (unsigned i = 0; i < 2000; i++) {
    uint64_t theirs = other_now;
    uint64_t ours = xs_now_ns();
    backwards += ours + XS_MS < theirs;
  }
  stop = 1;
  xs_printf("another vCPU's clock: %u times a millisecond ahead\n", backwards);
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  wall_clock("at the start");
  xs_events_init();
  wall_clock("callback set");
  time_info();
  time_areas();
#ifdef __x86_64__
  latch();
#endif
  two_vcpus();
  xs_success();
}
