// The device side of SoftDomain: ports, MMIO, MSRs, CPUID, clocks and consoles.
#include "models/base/check.h"
#include "sim/soft/soft_domain.h"

namespace xensim::sim {

namespace {

constexpr uint32_t kCpuidHypervisorFirst = 0x40000000;
constexpr uint32_t kCpuidHypervisorLast = 0x4fffffff;
constexpr uint32_t kX2apicBit = 1u << 21;
constexpr uint32_t kApicBit = 1u << 9;

}  // namespace

// A vCPU comes to the hypervisor, and goes on when it was served: that is when a callback's line falls whose upcall the
// guest has taken, and when a pending upcall is found that nobody announces.
void SoftDomain::leave_guest(VcpuId vcpu) {
  sync(vcpu);
  const xen::CoreInspector& core = *machine_.core_.inspector;
  if (core.upcall_taken(domain().id)) machine_.api_->pending_upcall(ref(vcpu));
  if (core.upcall_pending(ref(vcpu))) cpu_->raise_interrupt(vcpu);
}

void SoftDomain::halting(VcpuId vcpu) {
  leave_guest(vcpu);
  if (machine_.core_.inspector->halt_unmasks(ref(vcpu))) machine_.api_->before_halt(ref(vcpu));
}

uint32_t SoftDomain::port_in(VcpuId vcpu, uint16_t port, unsigned bytes) {
  leave_guest(vcpu);
  const uint32_t value = board_->port_in(port, bytes);
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::PortIo{ref(vcpu), port, static_cast<uint8_t>(bytes), false, value});
  }
  return value;
}

void SoftDomain::port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) {
  leave_guest(vcpu);
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::PortIo{ref(vcpu), port, static_cast<uint8_t>(bytes), true, value});
  }
  board_->port_out(port, bytes, value);
  if (!state(vcpu).actor->can_run()) cpu_->request_stop();
}

uint64_t SoftDomain::mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  leave_guest(vcpu);
  const uint64_t value = board_->mmio_read(vcpu, gpa, bytes);
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::Mmio{ref(vcpu), gpa, static_cast<uint8_t>(bytes), false, value});
  }
  return value;
}

void SoftDomain::mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) {
  leave_guest(vcpu);
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::Mmio{ref(vcpu), gpa, static_cast<uint8_t>(bytes), true, value});
  }
  board_->mmio_write(vcpu, gpa, bytes, value);
}

CpuidResult SoftDomain::cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) {
  leave_guest(vcpu);
  const uint32_t apic_id = apic(vcpu).id();
  if (leaf >= kCpuidHypervisorFirst && leaf <= kCpuidHypervisorLast) return hypervisor_cpuid(vcpu, leaf, subleaf);
  if (leaf == 1) {
    native.ebx = (native.ebx & 0x00ffffff) | apic_id << 24;
    native.ecx |= kX2apicBit;
    if (!apic(vcpu).hardware_enabled()) native.edx &= ~kApicBit;
  }
  if (leaf == 0xb || leaf == 0x1f) native.edx = apic_id;
  return native;
}

CpuidResult SoftDomain::hypervisor_cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf) {
  uint32_t xen_leaf = leaf;
  if (viridian_) {
    const auto found = ViridianGuest::xen_leaf(leaf);
    if (!found) return viridian_->cpuid(leaf);
    xen_leaf = *found;
  }
  const auto result = machine_.api_->cpuid(ref(vcpu), xen_leaf, subleaf);
  if (!result) return {};
  const CpuidResult words{result->eax, result->ebx, result->ecx, result->edx};
  return viridian_ ? ViridianGuest::moved(xen_leaf, words) : words;
}

std::optional<uint64_t> SoftDomain::read_any_msr(VcpuId vcpu, uint32_t msr) {
  if (pc::Board::owns_msr(msr)) return board_->rdmsr(vcpu, msr);
  if (!viridian_) return machine_.api_->read_msr(ref(vcpu), msr);
  if (const auto xen = ViridianGuest::xen_msr(msr)) return machine_.api_->read_msr(ref(vcpu), *xen);
  return viridian_->rdmsr(vcpu, msr);
}

bool SoftDomain::write_any_msr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  if (pc::Board::owns_msr(msr)) return board_->wrmsr(vcpu, msr, value);
  if (!viridian_) return machine_.api_->write_msr(ref(vcpu), msr, value, latches_mode64(vcpu));
  if (const auto xen = ViridianGuest::xen_msr(msr)) {
    return machine_.api_->write_msr(ref(vcpu), *xen, value, latches_mode64(vcpu));
  }
  return viridian_->wrmsr(vcpu, msr, value);
}

std::optional<uint64_t> SoftDomain::rdmsr(VcpuId vcpu, uint32_t msr) {
  leave_guest(vcpu);
  const auto value = read_any_msr(vcpu, msr);
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::Msr{ref(vcpu), msr, false, value.value_or(0), value.has_value()});
  }
  return value;
}

// Which layouts a write of the hypercall page's MSR latches.
bool SoftDomain::latches_mode64(VcpuId vcpu) const {
  const CpuMode mode = cpu_->mode(vcpu);
  return mode == CpuMode::kLong || (mode == CpuMode::kCompat && machine_.flavour_.hypercall_page_latches_long_mode);
}

bool SoftDomain::wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  leave_guest(vcpu);
  const bool ok = write_any_msr(vcpu, msr, value);
  if (msr == pc::kMsrApicBase) follow_apic(vcpu);
  if (traces::EventWriter* writer = machine_.events()) writer->write(traces::Msr{ref(vcpu), msr, true, value, ok});
  return ok;
}

// The page of a local APIC that was moved becomes a device's. Where the guest has memory, or a device already, that is
// what its vCPUs see there.
void SoftDomain::follow_apic(VcpuId vcpu) {
  const auto page = apic(vcpu).page();
  if (page && *page != pc::kApicDefaultBase) static_cast<void>(cpu_->map_mmio(*page, kPageSize));
}

uint8_t SoftDomain::cr8(VcpuId vcpu) {
  leave_guest(vcpu);
  return apic(vcpu).cr8();
}

void SoftDomain::set_cr8(VcpuId vcpu, uint8_t value) {
  leave_guest(vcpu);
  apic(vcpu).set_cr8(value);
}

uint64_t SoftDomain::rdtsc(VcpuId vcpu) {
  sync(vcpu);
  return machine_.clock(domain().id).tsc;
}

bool SoftDomain::serve(Port port) {
  if (!services_) return false;
  bool notify = false;
  if (port == machine_.rings_.store_port) {
    notify = services_->store().notified();
    wrote_page(machine_.rings_.store_page);
  } else if (port == machine_.rings_.console_port) {
    notify = services_->console().notified();
    wrote_page(machine_.rings_.console_page);
  }
  return notify;
}

// A service wrote to its ring, as a device does by DMA: code that was translated from there is old.
void SoftDomain::wrote_page(Gpa page) { cpu_->invalidate_code(page, kPageSize); }

bool SoftDomain::take_input(std::string_view text) {
  if (services_) {
    const bool notify = services_->console().input(text);
    wrote_page(machine_.rings_.console_page);
    return notify;
  }
  board_->uart().input(text);
  return false;
}

VirtualNs SoftDomain::now() const { return machine_.time(); }

// Numbers below those of the chipset's timers are local APICs'.
DueId SoftDomain::due_id(uint32_t timer) const {
  if (timer >= pc::kPitTimer) return {DueKind::kDevice, {xen::TimerKind::kSingleshot, ref(VcpuId{0})}, timer};
  return {DueKind::kApicTimer, {xen::TimerKind::kSingleshot, ref(VcpuId{timer})}, 0};
}

void SoftDomain::arm(uint32_t timer, VirtualNs deadline) {
  machine_.due_.arm(due_id(timer), deadline);
  limit_slice();
}

void SoftDomain::cancel(uint32_t timer) { machine_.due_.cancel(due_id(timer)); }

void SoftDomain::console_output(pc::ConsoleSource source, uint8_t byte) {
  const auto channel =
      source == pc::ConsoleSource::kUart ? xen::ConsoleChannel::kSerial : xen::ConsoleChannel::kDebugPort;
  const std::byte text[] = {static_cast<std::byte>(byte)};
  machine_.console_bytes(domain(), channel, text);
}

void SoftDomain::power_off() { machine_.end_domain(domain(), xen::ShutdownReason::kPoweroff); }
void SoftDomain::reset() { machine_.end_domain(domain(), xen::ShutdownReason::kReboot); }

void SoftDomain::test_exit(uint32_t value) {
  machine_.outcome_.test_exit = value;
  if (value != 0) {
    machine_.fail(FailureKind::kGuest, "the guest wrote " + std::to_string(value) + " to the test-exit port",
                  domain().config->name);
  }
  machine_.end_domain(domain(), value == 0 ? xen::ShutdownReason::kPoweroff : xen::ShutdownReason::kCrash);
}

}  // namespace xensim::sim
