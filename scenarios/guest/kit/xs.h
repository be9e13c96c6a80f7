/* The guest kit: what a guest program includes. A program defines xs_main(), which runs on vCPU 0 with interrupts off, the hypercall
 * page installed and shared_info mapped; it ends by xs_success() or one of its siblings.
 *
 * The same source is built as a PVH ELF (64-bit, some 32-bit too) and, with XENSIM_NATIVE, as an image whose hypercalls and
 * shared accesses are calls into a host (native.h). Parts that need a real x86 say "ELF only". */
#ifndef XENSIM_GUEST_KIT_XS_H_
#define XENSIM_GUEST_KIT_XS_H_

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "access.h"
#include "hypercall.h"

#define XS_MAX_VCPUS 8u
#define XS_STACK_BYTES 65536u
#define XS_PAGE 4096u
#define XS_PAGE_ALIGNED __attribute__((aligned(4096)))

/* ---- the program ---- */

void xs_main(void);

/* How a program ends; each prints a line. Success powers off, the others crash the domain, so that every observer
   tells them apart. */
__attribute__((noreturn)) void xs_success(void);
__attribute__((noreturn, format(printf, 1, 2))) void xs_failure(const char* format, ...); /* the subject is wrong */
__attribute__((noreturn, format(printf, 1, 2))) void xs_error(const char* format, ...);   /* the test itself is */
__attribute__((noreturn, format(printf, 1, 2))) void xs_skip(const char* format, ...);    /* not possible here: powers off */
__attribute__((noreturn)) void xs_exit(unsigned reason);                                  /* SHUTDOWN_*, no line */

#define XS_CHECK(condition)                                                                        \
  do {                                                                                             \
    if (!(condition)) xs_error("%s:%d: %s does not hold", __FILE_NAME__, __LINE__, #condition);    \
  } while (0)

/* ---- console: whole lines through port 0xe9 ---- */

/* %c %s %d %u %x %p and %%, with l and ll, width, 0 and -. At most 255 characters a call; a line is printed at
   its newline, by one call. */
__attribute__((format(printf, 1, 2))) void xs_printf(const char* format, ...);
size_t xs_vsnprintf(char* out, size_t size, const char* format, va_list args);
/* A hypercall's result as text: "0", "5", "-EINVAL". Good until the fourth next call on this vCPU. */
const char* xs_result(long result);

/* ---- vCPUs ---- */

/* The vCPU that runs (Xen's id), by the stack it is on. */
unsigned xs_vcpu(void);
/* How many vCPUs the domain has, at most XS_MAX_VCPUS. */
unsigned xs_vcpu_count(void);
/* Starts vCPUs 1 to count - 1 in `entry`, interrupts off, by INIT and SIPI, and returns when all of them run kit
   code. Once a program. vCPUs
 * from `count` on are halted with interrupts off. When `entry` returns its vCPU halts for ever. */
void xs_start_vcpus(unsigned count, void (*entry)(unsigned vcpu));

void xs_cli(void);
void xs_sti(void);
/* STI; HLT: no interrupt can come between the two. Returns after one, interrupts on. */
void xs_halt(void);
/* CLI; HLT for ever. */
__attribute__((noreturn)) void xs_stop(void);

/* Halts until the condition holds; it is looked at with interrupts off, so an interrupt that makes it true is not missed. Leaves
 * interrupts on. */
#define XS_WAIT(condition)    \
  do {                        \
    for (;;) {                \
      xs_cli();               \
      if (condition) break;   \
      xs_halt();              \
    }                         \
    xs_sti();                 \
  } while (0)

/* ---- memory ---- */

extern struct shared_info xs_shared_info; /* a page of the image, mapped at start */

uint64_t xs_gpa(const volatile void* p);
static inline xen_pfn_t xs_gfn(const volatile void* p) { return (xen_pfn_t)(xs_gpa(p) >> 12); }
/* The vcpu_info that the hypervisor uses for a vCPU: in shared_info, or where xs_set_vcpu_info said. */
struct vcpu_info* xs_vcpu_info(unsigned vcpu);
void xs_set_vcpu_info(unsigned vcpu, struct vcpu_info* info);

void* memset(void* to, int byte, size_t size);
void* memcpy(void* to, const void* from, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t strlen(const char* s);

/* ---- events ---- */

#define XS_UPCALL_VECTOR 0xf3u

/* Sets the domain's callback (HVM_PARAM_CALLBACK_IRQ) to XS_UPCALL_VECTOR. */
void xs_events_init(void);
/* The other way: HVMOP_set_evtchn_upcall_vector for one vCPU, through its local APIC, with an EOI at each. Run on
   that vCPU. ELF only. */
long xs_events_init_vcpu_vector(void);
typedef void (*xs_event_handler)(evtchn_port_t port);
/* The function that an event on the port calls, with interrupts off, on the vCPU that it is bound to. */
void xs_on_event(evtchn_port_t port, xs_event_handler handler);
/* Takes the place of the kit's dispatch of 2-level events. */
void xs_on_upcall(void (*handler)(void));
/* The kit's dispatch: clears the upcall, takes the selector, and for each pending, unmasked port clears it and
   calls its handler. */
void xs_dispatch_events(void);

/* Masked and pending, by the bitmaps of shared_info. Each is one access. */
int xs_event_pending(evtchn_port_t port);
int xs_event_masked(evtchn_port_t port);
void xs_event_mask(evtchn_port_t port);
int xs_event_clear(evtchn_port_t port); /* was it pending? */

/* ---- time ---- */

/* Xen system time by the pvclock protocol. */
uint64_t xs_now_ns(void);
/* Spins with interrupts as they are. */
void xs_spin_ns(uint64_t ns);
/* A busy loop of so many turns on a CPU, nothing natively: makes the ordinary order of a race likely on a real machine. */
void xs_delay(unsigned turns);

#define XS_MS 1000000ull

/* ---- ELF only ---- */

#ifndef XENSIM_NATIVE

extern uint32_t xs_start_info;  /* physical address of struct hvm_start_info */
extern uint32_t xs_cpuid_base;  /* of the Xen leaves */

struct xs_cpuid {
  uint32_t eax, ebx, ecx, edx;
};
struct xs_cpuid xs_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t xs_rdtsc(void);
uint64_t xs_rdmsr(uint32_t msr);
void xs_wrmsr(uint32_t msr, uint64_t value);
uint32_t xs_apic_id(void);
void xs_apic_enable(void);
void xs_apic_eoi(void);
/* A fixed interrupt to one local APIC. */
void xs_apic_send(uint32_t apic_id, uint32_t icr_low);
uint32_t xs_apic_id_of(unsigned vcpu); /* of a started vCPU */

/* What an interrupted program's registers were; the layout is start.S's. */
struct xs_regs {
#ifdef __x86_64__
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss;
#else
  uint32_t edi, esi, ebp, esp_unused, ebx, edx, ecx, eax;
  uint32_t vector, error;
  uint32_t eip, cs, eflags, user_esp, user_ss; /* the last two only on a change of privilege */
#endif
};

/* A handler for a vector: an exception's may change the registers. Without one an exception prints them and
   crashes the domain. */
typedef void (*xs_vector_handler)(struct xs_regs* regs);
void xs_on_vector(unsigned vector, xs_vector_handler handler);
/* Lets ring 3 use INT n with this vector. */
void xs_allow_user_int(unsigned vector);
uintptr_t xs_read_cr2(void);
/* Pages of the first 4 GiB but those of the text and the kit's hypercall page are not executable in 64-bit programs (32-bit ones have
 * no such pages). Makes one executable, and behind the first 2 MiB the 2 MiB around it. On the calling vCPU at once, on others that
 * start later. */
void xs_make_executable(const volatile void* page);

#define XS_KERNEL_CS32 0x08
#define XS_KERNEL_CS64 0x10
#define XS_KERNEL_DS 0x18
#define XS_USER_CS32 0x20
#define XS_USER_DS 0x28
#define XS_USER_CS64 0x30
#define XS_TSS 0x38

#endif

#endif
