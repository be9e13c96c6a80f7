/* Rows A2, A3 and A5 for vCPUs from 32 on, which have no vcpu_info in shared_info: without a place of its own such a vCPU has no
 * upcall and no time; VCPUOP_register_vcpu_info gives it one. ELF only, 40 vCPUs, of which 32, 33 and 34 run what is here. */
#include "probe.h"

#define FIRST 32u /* without a vcpu_info; the next is given one before it runs, the one after takes one itself */
#define RUN 3u
#define NOTHING 0x5a5a
#define TRAMPOLINE 0x8000u
#define ICR_INIT 0x000c4500u /* all but self */
#define ICR_SIPI 0x000c4600u

enum task { IDLE, POLL, TIME, REGISTER, HALT, TIMER, RUNSTATE, GO_DOWN };

static struct {
  volatile unsigned up, task, done, upcalls;
  volatile long result;
} ap[RUN];

static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;
static unsigned char stacks[RUN][16384] __attribute__((aligned(16)));
static struct vcpu_info* infos[RUN]; /* where registered */
static evtchn_port_t ipis[RUN], timer, own_timer;

static struct {
  uint16_t limit;
  uintptr_t base;
} __attribute__((packed)) idt;
uint32_t many_cr0, many_cr3, many_cr4, many_efer, many_stacks;

/* Real mode, protected mode, then what vCPU 0 has. %ebx: Xen's number of the vCPU; all but RUN of them halt for good. */
extern const unsigned char many_trampoline[], many_trampoline_end[];
__asm__(
    ".pushsection .text\n"
    ".code16\n"
    "many_trampoline:\n"
    "  cli\n  mov %cs, %ax\n  mov %ax, %ds\n"
    "  lgdtl many_gdt - many_trampoline\n"
    "  mov %cr0, %eax\n  or $1, %al\n  mov %eax, %cr0\n"
    "  ljmpl $0x08, $many_start\n"
    ".balign 4\n"
    "many_gdt: .word 0x37\n  .long xs_gdt\n"
    "many_trampoline_end:\n"
    ".code32\n"
    "many_start:\n"
    "  mov $0x18, %eax\n  mov %eax, %ds\n  mov %eax, %es\n  mov %eax, %ss\n"
    "  mov xs_cpuid_base, %eax\n  add $4, %eax\n  xor %ecx, %ecx\n  cpuid\n"
    "  sub $32, %ebx\n  cmp $3, %ebx\n  jae 2f\n"
    "  mov many_cr4, %eax\n  mov %eax, %cr4\n"
    "  mov many_cr3, %eax\n  mov %eax, %cr3\n"
#ifdef __x86_64__
    "  mov $0xc0000080, %ecx\n  mov many_efer, %eax\n  xor %edx, %edx\n  wrmsr\n"
#endif
    "  mov many_cr0, %eax\n  mov %eax, %cr0\n"
    "  lea 1(%ebx), %esp\n  shl $14, %esp\n  add many_stacks, %esp\n"
#ifdef __x86_64__
    "  ljmp $0x10, $1f\n"
    ".code64\n"
    "1: mov %ebx, %edi\n  call many_main\n"
#else
    "  push %ebx\n  call many_main\n"
#endif
    ".code32\n"
    "2: cli\n  hlt\n  jmp 2b\n"
#ifdef __x86_64__
    ".code64\n"
#endif
    ".popsection\n");

static long op(unsigned cmd, unsigned vcpu, const volatile void* argument) {
  return xs_hypercall3(__HYPERVISOR_vcpu_op, cmd, vcpu, argument);
}


static long register_info(unsigned i) {
  struct vcpu_info* info = (struct vcpu_info*)(page + 256 * i);
  struct vcpu_register_vcpu_info args = {.mfn = xs_gfn(info), .offset = (uint32_t)(xs_gpa(info) % XS_PAGE)};
  long r = op(VCPUOP_register_vcpu_info, FIRST + i, &args);
  if (r == 0) infos[i] = info;
  return r;
}

/* Blocked: a machine without load lets time jump. */
static void doze(unsigned ms) {
  xs_set_singleshot(0, xs_now_ns() + ms * XS_MS, 0);
  xs_poll(&own_timer, 1, 0);
  xs_event_clear(own_timer);
}
static void show_info(unsigned i) {
  struct vcpu_info* info = (struct vcpu_info*)(page + 256 * i);
  unsigned long selector = XS_LOAD(&info->evtchn_pending_sel);
  xs_printf("vCPU %u's vcpu_info: upcall %u, mask %u, selector %s\n", FIRST + i, XS_LOAD(&info->evtchn_upcall_pending),
            XS_LOAD(&info->evtchn_upcall_mask), selector == ~0ul ? "all ones" : selector ? "some bits" : "0");
}

static void quiet(unsigned i) {
  XS_STORE(&infos[i]->evtchn_upcall_pending, 0);
  XS_STORE(&infos[i]->evtchn_pending_sel, 0);
  xs_event_clear(ipis[i]);
  if (i == 2) xs_event_clear(timer);
}

/* ---- on the other vCPUs: no console and no xs_vcpu() there ---- */

/* Which of them this is, by its stack. */
static unsigned me(void) {
  char here;
  return (unsigned)((uintptr_t)&here - (uintptr_t)stacks) / sizeof stacks[0];
}

static void on_upcall_vector(struct xs_regs* regs) {
  (void)regs;
  unsigned i = me();
  ap[i].upcalls++;
  if (infos[i]) quiet(i);
}

static long perform(unsigned i, unsigned task) {
  struct vcpu_set_singleshot_timer in_a_while = {.timeout_abs_ns = 1};
  struct vcpu_runstate_info state;
  evtchn_port_t port = ipis[i];
  switch (task) {
    case POLL: return xs_poll(&port, 1, 0);
    case TIME: return infos[i]->time.version != 0 && infos[i]->time.tsc_to_system_mul != 0;
    case REGISTER: return register_info(i);
    case HALT:
      while (!ap[i].upcalls) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
      }
      return 0;
    case TIMER: return op(VCPUOP_set_singleshot_timer, FIRST + i, &in_a_while);
    case RUNSTATE:
      memset(&state, 0, sizeof state);
      long r = op(VCPUOP_get_runstate_info, FIRST + i, &state);
      return r ? r : state.state;
    case GO_DOWN: return op(VCPUOP_down, FIRST + i, 0);
    default: return NOTHING;
  }
}

__attribute__((used)) void many_main(unsigned i) {
  __asm__ volatile("lidt %0" : : "m"(idt));
  ap[i].up = 1;
  for (;;) {
    while (ap[i].task == IDLE) xs_delay(100); /* no PAUSE: an exit each time */
    ap[i].result = perform(i, ap[i].task);
    ap[i].task = IDLE;
    ap[i].done = 1;
  }
}

/* ---- on vCPU 0 ---- */

static int wait_for(volatile unsigned* flag) {
  for (uint64_t begin = xs_now_ns(); !*flag && xs_now_ns() - begin < 3000 * XS_MS;) doze(2);
  return *flag != 0;
}

static void begin(unsigned i, unsigned task) {
  ap[i].done = 0;
  ap[i].result = NOTHING;
  ap[i].task = task;
}
static const char* finish(unsigned i) { return wait_for(&ap[i].done) ? xs_result(ap[i].result) : "it does not return"; }
static const char* on(unsigned i, unsigned task) {
  begin(i, task);
  return finish(i);
}

static void before_they_run(void) {
  evtchn_port_t port;
  struct evtchn_status status;
  struct vcpu_runstate_info state;
  SHOW(op(VCPUOP_is_up, FIRST, 0));
  SHOW(op(VCPUOP_is_up, 39, 0));
  SHOW(op(VCPUOP_is_up, 40, 0));
  SHOW(op(VCPUOP_up, FIRST, 0));
  SHOW(op(VCPUOP_get_runstate_info, FIRST, &state));
  for (unsigned i = 0; i < RUN; i++) SHOW_AS(xs_bind_ipi(FIRST + i, &ipis[i]), "bind_ipi %u", FIRST + i);
  SHOW_AS(xs_bind_ipi(40, &port), "bind_ipi 40");
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, FIRST + 2, &timer), "bind_virq timer on vCPU 34");
  SHOW_AS(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port), "alloc_unbound");
  SHOW_AS(xs_bind_vcpu(port, 39), "bind_vcpu 39");
  SHOW_AS(xs_bind_vcpu(port, 40), "bind_vcpu 40");
  SHOW_AS(xs_evtchn_status(DOMID_SELF, port, &status), "status");
  xs_printf("its vCPU: %u\n", status.vcpu);
  SHOW_AS(xs_send(ipis[0]), "send to vCPU 32");
  xs_printf("pending %u\n", xs_event_pending(ipis[0]));
  SHOW_AS(xs_set_upcall_vector(FIRST, XS_UPCALL_VECTOR), "upcall vector of vCPU 32");
  SHOW_AS(xs_set_upcall_vector(FIRST, 0), "no upcall vector of vCPU 32");
  SHOW_AS(xs_set_upcall_vector(40, XS_UPCALL_VECTOR), "upcall vector of vCPU 40");
  memset(page, 0, sizeof page);
  SHOW_AS(xs_send(ipis[1]), "send to vCPU 33");
  SHOW_AS(register_info(1), "register_vcpu_info of vCPU 33");
  doze(20); /* KVM gives it what was sent before when its thread goes on */
  show_info(1);
  SHOW_AS(register_info(1), "register_vcpu_info of vCPU 33, again");
  quiet(1);
  SHOW_AS(xs_send(ipis[1]), "send to vCPU 33");
  show_info(1);
  quiet(1);
}

static void start(void) {
  unsigned long v;
  __asm__("mov %%cr0,%0" : "=r"(v));
  many_cr0 = (uint32_t)v;
  __asm__("mov %%cr3,%0" : "=r"(v));
  many_cr3 = (uint32_t)v;
  __asm__("mov %%cr4,%0" : "=r"(v));
  many_cr4 = (uint32_t)v;
#ifdef __x86_64__
  many_efer = (uint32_t)xs_rdmsr(0xc0000080) & ~0x400u;
#endif
  many_stacks = (uint32_t)(uintptr_t)stacks;
  __asm__ volatile("sidt %0" : "=m"(idt));
  xs_on_vector(XS_UPCALL_VECTOR, on_upcall_vector);
  memcpy((void*)(uintptr_t)TRAMPOLINE, many_trampoline, (size_t)(many_trampoline_end - many_trampoline));
  xs_apic_enable();
  xs_apic_send(0, ICR_INIT);
  xs_apic_send(0, ICR_SIPI | TRAMPOLINE >> 12);
  xs_apic_send(0, ICR_SIPI | TRAMPOLINE >> 12);
  for (unsigned i = 0; i < RUN; i++) xs_printf("vCPU %u %s\n", FIRST + i, wait_for(&ap[i].up) ? "runs" : "does not run");
}

static void without(unsigned i) {
  xs_event_clear(ipis[i]);
  xs_printf("vCPU %u without a vcpu_info, get_runstate_info: %s\n", FIRST + i, on(i, RUNSTATE));
  begin(i, POLL);
  doze(20);
  SHOW_AS(xs_send(ipis[i]), "send to vCPU %u, which polls", FIRST + i);
  xs_printf("its poll: %s\n", finish(i));
  xs_event_clear(ipis[i]);
}

static void with(unsigned i) {
  quiet(i);
  ap[i].upcalls = 0;
  xs_printf("vCPU %u has the time: %s\n", FIRST + i, on(i, TIME));
  begin(i, POLL);
  doze(20);
  SHOW_AS(xs_send(ipis[i]), "send to vCPU %u, which polls", FIRST + i);
  xs_printf("its poll: %s\n", finish(i));
  show_info(i);
  quiet(i);
  begin(i, HALT);
  doze(20);
  SHOW_AS(xs_send(ipis[i]), "send to vCPU %u, which halts", FIRST + i);
  const char* woken = finish(i);
  xs_printf("it wakes: %s, upcalls %u\n", woken, ap[i].upcalls);
  show_info(i);
}

void xs_main(void) {
  evtchn_port_t port;
  if (xs_bind_ipi(39, &port)) xs_skip("needs 40 vCPUs"); /* xs_vcpu_count() ends at the kit's eight */
  xs_evtchn_close(port);
  xs_events_init();
  XS_CHECK(xs_bind_virq(VIRQ_TIMER, 0, &own_timer) == 0);
  xs_event_mask(own_timer);
  before_they_run();
  start();
  without(0);
  with(1);
  without(2);
  xs_printf("register_vcpu_info of vCPU 34, by itself: %s\n", on(2, REGISTER));
  show_info(2);
  with(2);
  ap[2].upcalls = 0;
  xs_printf("singleshot timer in the past, by vCPU 34: %s\n", on(2, TIMER));
  const char* woken = on(2, HALT);
  xs_printf("it halts: %s, upcalls %u\n", woken, ap[2].upcalls);
  struct vcpu_set_singleshot_timer once = {.timeout_abs_ns = 1};
  SHOW_AS(op(VCPUOP_set_singleshot_timer, FIRST + 2, &once), "singleshot timer of vCPU 34, by vCPU 0");
  SHOW_AS(register_info(0), "register_vcpu_info of vCPU 32, which runs, by vCPU 0");
  begin(2, GO_DOWN);
  for (uint64_t from = xs_now_ns(); !ap[2].done && op(VCPUOP_is_up, FIRST + 2, 0) != 0 && xs_now_ns() - from < 3000 * XS_MS;) doze(2);
  xs_printf("down, by vCPU 34: %s\n", ap[2].done ? xs_result(ap[2].result) : "it does not come back");
  SHOW(op(VCPUOP_is_up, FIRST + 2, 0));
  SHOW(op(VCPUOP_up, FIRST + 2, 0));
  xs_printf("it goes on: %s\n", finish(2));
  SHOW(op(VCPUOP_is_up, FIRST + 2, 0));
  xs_success();
}
