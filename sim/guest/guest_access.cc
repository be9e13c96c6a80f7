// What VM exits of a guest's vCPU come to: ports, MMIO, CPUID, MSRs.
#include "sim/guest/guest_domain.h"

namespace xensim::sim {

namespace {

constexpr uint32_t kCpuidHypervisorFirst = 0x40000000;
constexpr uint32_t kCpuidHypervisorLast = 0x4fffffff;
constexpr uint32_t kX2apicBit = 1u << 21;
constexpr uint32_t kApicBit = 1u << 9;

}  // namespace

// A vCPU comes to the hypervisor, and goes on when it was served: that is when a callback's line falls whose upcall the
// guest has taken, and when a pending upcall is found that nobody announces.
void GuestDomain::vm_exit(VcpuId vcpu) {
  const auto [api, inspector] = host_.core();
  if (inspector.upcall_taken(setup_.id)) api.pending_upcall(ref(vcpu));
  if (inspector.upcall_pending(ref(vcpu))) cpu_.raise_interrupt(vcpu);
}

void GuestDomain::halting(VcpuId vcpu) {
  vm_exit(vcpu);
  const auto [api, inspector] = host_.core();
  if (inspector.halt_unmasks(ref(vcpu))) api.before_halt(ref(vcpu));
}

uint32_t GuestDomain::port_in(VcpuId vcpu, uint16_t port, unsigned bytes) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  const uint32_t value = board_.port_in(port, bytes);
  record(traces::PortIo{ref(vcpu), port, static_cast<uint8_t>(bytes), false, value});
  return value;
}

void GuestDomain::port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  record(traces::PortIo{ref(vcpu), port, static_cast<uint8_t>(bytes), true, value});
  board_.port_out(port, bytes, value);
}

uint64_t GuestDomain::mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  const uint64_t value = board_.mmio_read(vcpu, gpa, bytes);
  record(traces::Mmio{ref(vcpu), gpa, static_cast<uint8_t>(bytes), false, value});
  return value;
}

void GuestDomain::mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  record(traces::Mmio{ref(vcpu), gpa, static_cast<uint8_t>(bytes), true, value});
  board_.mmio_write(vcpu, gpa, bytes, value);
}

void GuestDomain::console_output(pc::ConsoleSource source, uint8_t byte) {
  const auto channel =
      source == pc::ConsoleSource::kUart ? xen::ConsoleChannel::kSerial : xen::ConsoleChannel::kDebugPort;
  const std::byte text[] = {static_cast<std::byte>(byte)};
  host_.console_output(channel, text);
}

CpuidResult GuestDomain::cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) {
  vm_exit(vcpu);
  if (leaf >= kCpuidHypervisorFirst && leaf <= kCpuidHypervisorLast) return hypervisor_cpuid(vcpu, leaf, subleaf);
  const BoardGuard guard(*this);
  const uint32_t apic_id = apic(vcpu).id();
  if (leaf == 1) {
    native.ebx = (native.ebx & 0x00ffffff) | apic_id << 24;
    native.ecx |= kX2apicBit;
    if (!apic(vcpu).hardware_enabled()) native.edx &= ~kApicBit;
  }
  if (leaf == 0xb || leaf == 0x1f) native.edx = apic_id;
  return native;
}

CpuidResult GuestDomain::hypervisor_cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf) {
  uint32_t xen_leaf = leaf;
  if (viridian_) {
    const auto found = ViridianGuest::xen_leaf(leaf);
    if (!found) return viridian_->cpuid(leaf);
    xen_leaf = *found;
  }
  const auto result = host_.core().api.cpuid(ref(vcpu), xen_leaf, subleaf);
  if (!result) return {};
  const CpuidResult words{result->eax, result->ebx, result->ecx, result->edx};
  return viridian_ ? ViridianGuest::moved(xen_leaf, words) : words;
}

std::optional<uint64_t> GuestDomain::rdmsr(VcpuId vcpu, uint32_t msr) {
  vm_exit(vcpu);
  const auto value = read_any_msr(vcpu, msr);
  record(traces::Msr{ref(vcpu), msr, false, value.value_or(0), value.has_value()});
  return value;
}

std::optional<uint64_t> GuestDomain::read_any_msr(VcpuId vcpu, uint32_t msr) {
  const bool of_board = pc::Board::owns_msr(msr);
  if (!of_board && !viridian_) return host_.core().api.read_msr(ref(vcpu), msr);
  if (!of_board) {
    if (const auto xen = ViridianGuest::xen_msr(msr)) return host_.core().api.read_msr(ref(vcpu), *xen);
  }
  const BoardGuard guard(*this);
  return of_board ? board_.rdmsr(vcpu, msr) : viridian_->rdmsr(vcpu, msr);
}

bool GuestDomain::wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  vm_exit(vcpu);
  const bool ok = write_any_msr(vcpu, msr, value);
  if (msr == pc::kMsrApicBase) follow_apic(vcpu);
  record(traces::Msr{ref(vcpu), msr, true, value, ok});
  return ok;
}

bool GuestDomain::write_any_msr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  const bool of_board = pc::Board::owns_msr(msr);
  if (!of_board && !viridian_) return host_.core().api.write_msr(ref(vcpu), msr, value, latches_mode64(vcpu));
  if (!of_board) {
    if (const auto xen = ViridianGuest::xen_msr(msr)) {
      return host_.core().api.write_msr(ref(vcpu), *xen, value, latches_mode64(vcpu));
    }
  }
  const BoardGuard guard(*this);
  return of_board ? board_.wrmsr(vcpu, msr, value) : viridian_->wrmsr(vcpu, msr, value);
}

// Which layouts a write of the hypercall page's MSR latches.
bool GuestDomain::latches_mode64(VcpuId vcpu) const {
  const CpuMode mode = cpu_.mode(vcpu);
  return mode == CpuMode::kLong || (mode == CpuMode::kCompat && setup_.flavour.hypercall_page_latches_long_mode);
}

// The page of a local APIC that was moved becomes a device's. Where the guest has memory, or a device already, that is
// what its vCPUs see there.
void GuestDomain::follow_apic(VcpuId vcpu) {
  const BoardGuard guard(*this);
  const auto page = apic(vcpu).page();
  if (page && *page != pc::kApicDefaultBase) static_cast<void>(cpu_.map_mmio(*page, kPageSize));
}

uint8_t GuestDomain::cr8(VcpuId vcpu) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  return apic(vcpu).cr8();
}

void GuestDomain::set_cr8(VcpuId vcpu, uint8_t value) {
  vm_exit(vcpu);
  const BoardGuard guard(*this);
  apic(vcpu).set_cr8(value);
}

}  // namespace xensim::sim
