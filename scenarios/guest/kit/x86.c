/* The ELF builds' machine set-up: Xen's CPUID leaves, hypercall page, descriptor tables, exceptions, console, clock. */
#include "internal.h"

unsigned char xs_stacks[XS_MAX_VCPUS][XS_STACK_BYTES]
    __attribute__((aligned(4096), section(".xensim_stacks,\"aw\",@nobits#")));

uint32_t xs_cpuid_base;
unsigned char xs_upcall_wants_eoi[XS_MAX_VCPUS];
unsigned char xs_hypercall_page[XS_PAGE] XS_PAGE_ALIGNED __attribute__((section(".bss.pages")));

#ifdef __x86_64__
struct gate {
  uint16_t offset_low, selector, attributes, offset_middle;
  uint32_t offset_high, zero;
};
struct tss {
  uint32_t reserved0;
  uint64_t rsp[3];
  uint64_t reserved1, ist[7], reserved2;
  uint16_t reserved3, io_map;
} __attribute__((packed));
#else
struct gate {
  uint16_t offset_low, selector, attributes, offset_middle;
};
struct tss {
  uint32_t link, esp0, ss0, others[22];
  uint16_t trap, io_map;
} __attribute__((packed));
#endif

struct pointer {
  uint16_t limit;
  uintptr_t base;
} __attribute__((packed));

static struct gate idt[256];
static struct tss tss[XS_MAX_VCPUS];
static xs_vector_handler vector_handlers[256];
static unsigned char console_lock;

extern uint64_t xs_gdt[];
extern struct pointer xs_gdt_pointer;
extern const unsigned char xs_interrupt_stubs[256][16];

struct xs_cpuid xs_cpuid(uint32_t leaf, uint32_t subleaf) {
  struct xs_cpuid r;
  __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "0"(leaf), "2"(subleaf));
  return r;
}

uint64_t xs_rdtsc(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
}

uint64_t xs_rdmsr(uint32_t msr) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
  return (uint64_t)high << 32 | low;
}

void xs_wrmsr(uint32_t msr, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

uintptr_t xs_read_cr2(void) {
  uintptr_t v;
  __asm__ volatile("mov %%cr2,%0" : "=r"(v));
  return v;
}

void xs_make_executable(const volatile void* page) {
#ifdef __x86_64__
  extern uint64_t xs_page_directories[4 * 512], xs_page_table[512];
  uintptr_t at = (uintptr_t)page;
  uint64_t* entry = at < 0x200000 ? &xs_page_table[at >> 12] : &xs_page_directories[at >> 21];
  *entry &= ~(1ull << 63);
  __asm__ volatile("invlpg %0" : : "m"(*(const volatile char*)page) : "memory");
#else
  (void)page;
#endif
}

void xs_cli(void) { __asm__ volatile("cli" : : : "memory"); }
void xs_sti(void) { __asm__ volatile("sti" : : : "memory"); }
void xs_halt(void) { __asm__ volatile("sti; hlt" : : : "memory"); }

void xs_stop(void) {
  for (;;) __asm__ volatile("cli; hlt" : : : "memory");
}

uint64_t xs_gpa(const volatile void* p) { return (uintptr_t)p; }

long xs_hypercall(unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4) {
  const unsigned char* entry = xs_hypercall_page + nr * 32;
  long result;
#ifdef __x86_64__
  register unsigned long r10 __asm__("r10") = a3;
  register unsigned long r8 __asm__("r8") = a4;
  __asm__ volatile("call *%[entry]"
                   : "=a"(result), "+D"(a0), "+S"(a1), "+d"(a2), "+r"(r10), "+r"(r8)
                   : [entry] "r"(entry)
                   : "rcx", "r9", "r11", "memory", "cc");
#else
  __asm__ volatile("call *%%eax"
                   : "=a"(result), "+b"(a0), "+c"(a1), "+d"(a2), "+S"(a3), "+D"(a4)
                   : "0"(entry)
                   : "memory", "cc");
#endif
  return result;
}

/* Not points: no vCPU is ever cut inside, and the native build has nothing like it. */
void xs_console_write(const char* text, size_t length) {
  unsigned long flags;
  __asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
  while (__atomic_exchange_n(&console_lock, 1, __ATOMIC_ACQUIRE)) __asm__ volatile("pause");
  for (size_t i = 0; i < length; i++) __asm__ volatile("outb %0,$0xe9" : : "a"(text[i]));
  __atomic_store_n(&console_lock, 0, __ATOMIC_RELEASE);
  __asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}

void xs_delay(unsigned turns) {
  while (turns--) __asm__ volatile("");
}

void xs_exit(unsigned reason) {
  xs_shutdown(reason);
  xs_stop();
}

/* Plain reads: the hypervisor writes a vCPU's time while that vCPU does not run, so no point of another vCPU matters here. */
uint64_t xs_now_ns(void) {
  volatile struct vcpu_time_info* time = &xs_vcpu_info(xs_vcpu())->time;
  uint32_t version;
  uint64_t ns;
  do {
    version = time->version;
    __asm__ volatile("" : : : "memory");
    uint64_t delta = xs_rdtsc() - time->tsc_timestamp;
    delta = time->tsc_shift < 0 ? delta >> -time->tsc_shift : delta << time->tsc_shift;
    uint32_t mul = time->tsc_to_system_mul;
    uint64_t scaled = (delta >> 32) * mul + ((delta & 0xffffffff) * mul >> 32);
    ns = time->system_time + scaled;
    __asm__ volatile("" : : : "memory");
  } while ((version & 1) || version != time->version);
  return ns;
}

static const char* const exception_names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",  "#TS", "#NP", "#SS", "#GP", "#PF", "#15",
    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP", "#22", "#23", "#24", "#25", "#26", "#27", "#HV", "#VC", "#SX", "#31",
};

static void die(const struct xs_regs* r) {
  xs_printf("exception %s, error code 0x%lx, on vCPU %u\n", exception_names[r->vector], (unsigned long)r->error, xs_vcpu());
#ifdef __x86_64__
  xs_printf("~ rip %016lx cs %04lx rflags %08lx rsp %016lx cr2 %016lx\n", r->rip, r->cs, r->rflags, r->rsp, xs_read_cr2());
  xs_printf("~ rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
  xs_printf("~ rsi %016lx rdi %016lx rbp %016lx\n", r->rsi, r->rdi, r->rbp);
#else
  xs_printf("~ eip %08x cs %04x eflags %08x cr2 %08lx\n", r->eip, r->cs, r->eflags, (unsigned long)xs_read_cr2());
  xs_printf("~ eax %08x ebx %08x ecx %08x edx %08x esi %08x edi %08x ebp %08x\n", r->eax, r->ebx, r->ecx, r->edx, r->esi,
            r->edi, r->ebp);
#endif
  xs_exit(SHUTDOWN_crash);
}

/* Called by the stubs. */
void xs_interrupt(struct xs_regs* regs) {
  unsigned vector = (unsigned)regs->vector & 0xff; /* a pushed 0x80 to 0xff is sign-extended */
  if (vector_handlers[vector]) {
    vector_handlers[vector](regs);
  } else if (vector < 32) {
    die(regs);
  } else if (vector == XS_UPCALL_VECTOR) {
    if (xs_upcall_wants_eoi[xs_vcpu()]) xs_apic_eoi();
    xs_upcall();
  }
}

void xs_on_vector(unsigned vector, xs_vector_handler handler) { vector_handlers[vector] = handler; }

void xs_allow_user_int(unsigned vector) { idt[vector].attributes |= 0x6000; }

static void fill_idt(void) {
  for (unsigned i = 0; i < 256; i++) {
    uintptr_t stub = (uintptr_t)xs_interrupt_stubs[i];
    idt[i].offset_low = (uint16_t)stub;
    idt[i].offset_middle = (uint16_t)(stub >> 16);
    idt[i].attributes = 0x8e00; /* present, interrupt gate */
#ifdef __x86_64__
    idt[i].selector = XS_KERNEL_CS64;
    idt[i].offset_high = (uint32_t)(stub >> 32);
#else
    idt[i].selector = XS_KERNEL_CS32;
#endif
  }
}

/* GDT, IDT and a TSS whose ring-0 stack is this vCPU's own. */
static void load_tables(unsigned vcpu) {
  struct pointer idt_pointer = {sizeof idt - 1, (uintptr_t)idt};
  uintptr_t base = (uintptr_t)&tss[vcpu];
  uintptr_t stack = (uintptr_t)xs_stacks[vcpu + 1];
  uint64_t* descriptor = &xs_gdt[(XS_TSS >> 3) + 2 * vcpu];
#ifdef __x86_64__
  /* Below what runs now: a program that goes to ring 3 comes back above its caller's frames otherwise. */
  tss[vcpu].rsp[0] = stack - XS_STACK_BYTES / 2;
  descriptor[1] = base >> 32;
#else
  tss[vcpu].esp0 = stack - XS_STACK_BYTES / 2;
  tss[vcpu].ss0 = XS_KERNEL_DS;
#endif
  tss[vcpu].io_map = sizeof(struct tss);
  descriptor[0] = (sizeof(struct tss) - 1) | (uint64_t)(base & 0xffffff) << 16 | 0x89ull << 40 |
                  (uint64_t)(base >> 24 & 0xff) << 56;
  __asm__ volatile("lgdt %0; lidt %1; ltr %w2" : : "m"(xs_gdt_pointer), "m"(idt_pointer), "r"(XS_TSS + 16 * vcpu) : "memory");
}

static void find_xen(void) {
  for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
    struct xs_cpuid leaf = xs_cpuid(base, 0);
    if (leaf.ebx == 0x566e6558 && leaf.ecx == 0x65584d4d && leaf.edx == 0x4d4d566e) { /* XenVMMXenVMM */
      xs_cpuid_base = base;
      return;
    }
  }
  xs_console_write("error: no Xen CPUID leaves\n", 27);
  xs_stop();
}

/* Under QEMU a board's PIC is live, and its timer would come in on vector 8; on Xen's PVH there is none. */
static void mask_pic(void) {
  __asm__ volatile("outb %b0,$0x21; outb %b0,$0xa1" : : "a"(0xff));
}

void xs_boot(void) {
  mask_pic();
  fill_idt();
  load_tables(0);
  find_xen();
  xs_wrmsr(xs_cpuid(xs_cpuid_base + 2, 0).ebx, (uintptr_t)xs_hypercall_page);
  long r = xs_add_to_physmap(XENMAPSPACE_shared_info, 0, xs_gfn(&xs_shared_info));
  if (r) xs_error("shared_info: %s", xs_result(r));
  xs_main();
  xs_error("xs_main returned");
}

/* First C code of an AP. */
void xs_ap_prepare(unsigned vcpu) { load_tables(vcpu); }
