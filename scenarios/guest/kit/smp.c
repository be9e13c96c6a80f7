/* The local APIC, the start of the other vCPUs, and upcalls through a local APIC (ELF only). */
#include "internal.h"

#define XS_TRAMPOLINE 0x8000u
#define MSR_APIC_BASE 0x1bu
#define APIC_ID 0x20u
#define APIC_EOI 0xb0u
#define APIC_SPURIOUS 0xf0u
#define APIC_ICR 0x300u
#define ICR_INIT 0x000c4500u /* all but self, assert, INIT */
#define ICR_SIPI 0x000c4600u
#define SPURIOUS_VECTOR 0xffu

extern const unsigned char xs_trampoline[], xs_trampoline_end[];
void xs_ap_prepare(unsigned vcpu);

static void (*vcpu_entry)(unsigned vcpu);
static unsigned vcpus_wanted;
static unsigned vcpus_running; /* APs in kit code; shared by all that start */
static uint32_t apic_ids[XS_MAX_VCPUS];

/* x2APIC registers are MSRs, the older ones memory. */
static int x2apic(void) { return (xs_cpuid(1, 0).ecx >> 21) & 1; }

static uint32_t apic_read(unsigned reg) {
  if (x2apic()) return (uint32_t)xs_rdmsr(0x800 + (reg >> 4));
  return *(volatile uint32_t*)(0xfee00000ul + reg);
}

static void apic_write(unsigned reg, uint32_t value) {
  if (x2apic())
    xs_wrmsr(0x800 + (reg >> 4), value);
  else
    *(volatile uint32_t*)(0xfee00000ul + reg) = value;
}

uint32_t xs_apic_id(void) { return x2apic() ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24; }

void xs_apic_enable(void) {
  uint64_t base = xs_rdmsr(MSR_APIC_BASE);
  if (x2apic() && !(base & 0x400)) xs_wrmsr(MSR_APIC_BASE, base | 0xc00);
  apic_write(APIC_SPURIOUS, 0x100 | SPURIOUS_VECTOR);
}

void xs_apic_eoi(void) { apic_write(APIC_EOI, 0); }

void xs_apic_send(uint32_t apic_id, uint32_t icr_low) {
  if (x2apic()) {
    xs_wrmsr(0x830, (uint64_t)apic_id << 32 | icr_low);
  } else {
    apic_write(APIC_ICR + 0x10, apic_id << 24);
    apic_write(APIC_ICR, icr_low);
  }
}

uint32_t xs_apic_id_of(unsigned vcpu) { return apic_ids[vcpu]; }

long xs_events_init_vcpu_vector(void) {
  unsigned vcpu = xs_vcpu();
  xs_apic_enable();
  xs_upcall_wants_eoi[vcpu] = 1;
  return xs_set_upcall_vector(vcpu, XS_UPCALL_VECTOR);
}

/* Called by start.S on each AP, on its own stack. */
void xs_ap_boot(unsigned vcpu) {
  xs_ap_prepare(vcpu);
  xs_apic_enable();
  apic_ids[vcpu] = xs_apic_id();
  if (vcpu < vcpus_wanted) {
    __atomic_fetch_add(&vcpus_running, 1, __ATOMIC_SEQ_CST);
    vcpu_entry(vcpu);
  }
  xs_stop();
}

void xs_start_vcpus(unsigned count, void (*entry)(unsigned vcpu)) {
  if (count < 2) return;
  vcpus_wanted = count;
  vcpu_entry = entry;
  memcpy((void*)(uintptr_t)XS_TRAMPOLINE, xs_trampoline, (size_t)(xs_trampoline_end - xs_trampoline));
  xs_apic_enable();
  apic_ids[0] = xs_apic_id();
  xs_apic_send(0, ICR_INIT);
  xs_apic_send(0, ICR_SIPI | XS_TRAMPOLINE >> 12);
  xs_apic_send(0, ICR_SIPI | XS_TRAMPOLINE >> 12);
  while (__atomic_load_n(&vcpus_running, __ATOMIC_SEQ_CST) < count - 1) __asm__ volatile("pause");
}
