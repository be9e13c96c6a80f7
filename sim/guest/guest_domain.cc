// See guest_domain.h: what a guest is made of, HLT, interrupts, and hypercalls.
#include "sim/guest/guest_domain.h"

#include <array>

#include "models/base/check.h"
#include "models/pc/device/addresses.h"
#include "sim/guest/guest_start.h"
#include "sim/guest/hvm_context.h"
#include "sim/guest/vcpu_report.h"

namespace xensim::sim {

namespace {

// Where a hypercall's arguments are.
constexpr std::array kArgs64 = {kRdi, kRsi, kRdx, kR10, kR8, kR9};
constexpr std::array kArgs32 = {kRbx, kRcx, kRdx, kRsi, kRdi, kRbp};

bool has_io_apic(const GuestConfig& config, const xen::Flavour& flavour) {
  return config.has_pc_devices() || flavour.pic_for_all;
}

pc::BoardConfig board_config(const GuestConfig& config, const ClockConfig& clock, const xen::Flavour& flavour) {
  pc::BoardConfig board;
  board.vcpus = config.vcpus;
  board.apic_id_step = apic_id_step(flavour);
  board.apic = {.movable = flavour.apic_base_moves,
                .keeps_registers = flavour.apic_keeps_registers,
                .tpr_is_cr8 = flavour.tpr_is_cr8,
                .errors = flavour.apic_errors_ignored ? pc::ApicErrors::kNone : pc::ApicErrors::kSticky};
  board.holes_read_zero = flavour.holes_read_zero;
  board.tsc_hz = clock.tsc_khz * 1000;
  board.uart = config.serial;
  board.pc = config.has_pc_devices();
  board.io_apic = has_io_apic(config, flavour);
  board.io_apic_id = config.platform == GuestPlatform::kPc ? 1 : 0;  // no firmware has run for the others
  board.epoch_s = clock.wallclock_s;
  // A register of Microsoft's interface says what the rate is: it is Xen's there.
  if (config.viridian != 0) board.apic_bus_hz = viridian::Config{}.apic_hz;
  return board;
}

}  // namespace

GuestDomain::GuestDomain(Setup setup, Cpu& cpu, DomainHost& host)
    : setup_(std::move(setup)),
      rings_(ring_places(setup_.flavour)),
      cpu_(cpu),
      host_(host),
      board_(board_config(setup_.config, setup_.clock, setup_.flavour), *this),
      vcpus_(setup_.config.vcpus) {}

Result<std::unique_ptr<GuestDomain>> GuestDomain::make(Setup setup, Cpu& cpu, DomainHost& host) {
  std::unique_ptr<GuestDomain> self(new GuestDomain(std::move(setup), cpu, host));
  XS_TRY_STATUS(self->map());
  self->make_services();
  for (uint32_t v = 1; v < self->setup_.config.vcpus; ++v) cpu.init(VcpuId{v});
  return self;
}

Status GuestDomain::map() {
  for (const MemoryPiece& piece : setup_.memory.pieces()) {
    XS_TRY_STATUS(cpu_.map_memory(piece.base, setup_.memory.at(piece.base, piece.bytes), true));
  }
  XS_TRY_STATUS(cpu_.map_mmio(pc::kApicDefaultBase, pc::kApicMmioBytes));
  if (has_io_apic(setup_.config, setup_.flavour)) XS_TRY_STATUS(cpu_.map_mmio(Gpa{pc::kIoApicBase}, kPageSize));
  return {};
}

void GuestDomain::make_services() {
  const GuestConfig& config = setup_.config;
  if (config.viridian != 0) {
    const viridian::Config groups{.groups = config.viridian, .vcpus = config.vcpus, .tsc_khz = setup_.clock.tsc_khz};
    viridian_ = std::make_unique<ViridianGuest>(groups, ViridianGuest::Around{cpu_, board_, setup_.memory, host_});
  }
  if (config.platform == GuestPlatform::kBare) return;
  services_ = std::make_unique<DomainServices>(
      setup_.id, config, setup_.memory.at(rings_.store_page, kPageSize),
      setup_.memory.at(rings_.console_page, kPageSize), [this](std::string_view text) {
        host_.console_output(xen::ConsoleChannel::kPvConsole, std::as_bytes(std::span(text)));
      });
}

Status GuestDomain::load(const GuestFiles& files) {
  XS_TRY(const CpuRegs entry, place_guest(setup_.config, setup_.flavour, files, setup_.memory));
  cpu_.set_regs(VcpuId{0}, entry);
  return {};
}

// --- HLT

void GuestDomain::enter_halt(VcpuId vcpu) {
  const BoardGuard guard(*this);
  vcpus_.at(vcpu.v).halted = true;
}

bool GuestDomain::leave_halt(VcpuId vcpu) {
  if (!cpu_.nmi_ready(vcpu) && !deliverable(vcpu)) return false;
  const BoardGuard guard(*this);
  vcpus_.at(vcpu.v).halted = false;
  cpu_.raise_interrupt(vcpu);
  return true;
}

bool GuestDomain::sleep(VcpuId vcpu) {
  const bool enabled = (cpu_.regs(vcpu).rflags & kRflagsIf) != 0;
  if (cpu_.nmi_ready(vcpu) || (enabled && deliverable(vcpu))) return false;
  host_.core().api.halt(ref(vcpu), enabled);
  return true;
}

bool GuestDomain::deliverable(VcpuId vcpu) {
  return apic_deliverable(vcpu) || host_.core().api.pending_upcall(ref(vcpu)).has_value();
}

bool GuestDomain::has_interrupt(VcpuId vcpu) {
  return host_.core().inspector.upcall_pending(ref(vcpu)) || apic_deliverable(vcpu);
}

bool GuestDomain::apic_deliverable(VcpuId vcpu) {
  const BoardGuard guard(*this);
  return apic(vcpu).has_deliverable();
}

// --- interrupts

std::optional<uint8_t> GuestDomain::acknowledge_interrupt(VcpuId vcpu) {
  const auto [api, inspector] = host_.core();
  // Nothing is left of what was announced.
  if (!inspector.upcall_pending(ref(vcpu)) && !inspector.upcall_taken(setup_.id) && !apic_deliverable(vcpu)) return {};
  std::optional<uint8_t> vector;
  if (const auto upcall = api.pending_upcall(ref(vcpu))) {
    vector = upcall->vector;
    // While it is pending hypervisors wait for the end of its handler, to look again.
    cpu_.raise_interrupt(vcpu);
  } else {
    const BoardGuard guard(*this);
    vector = apic(vcpu).acknowledge();
  }
  if (!vector) return std::nullopt;
  if (apic_deliverable(vcpu)) cpu_.raise_interrupt(vcpu);
  if (traces::EventWriter* writer = host_.events()) {
    writer->write(traces::Interrupt{ref(vcpu), *vector, Gva{cpu_.regs(vcpu).rip}});
  }
  return vector;
}

void GuestDomain::assert_vector(VcpuId vcpu, uint8_t vector) {
  const BoardGuard guard(*this);
  core_asserts_ = true;
  apic(vcpu).assert_vector(vector);
  core_asserts_ = false;
}

bool GuestDomain::lapic_enabled(VcpuId vcpu) {
  const BoardGuard guard(*this);
  return apic(vcpu).software_enabled();
}

void GuestDomain::set_gsi(uint32_t gsi, bool level) {
  const BoardGuard guard(*this);
  board_.set_gsi(gsi, level);
}

void GuestDomain::timer_expired(uint32_t timer) {
  const BoardGuard guard(*this);
  board_.timer_expired(timer);
}

void GuestDomain::interrupt_ready(VcpuId vcpu) {
  cpu_.raise_interrupt(vcpu);
  // The core is not entered from inside a call of its own: a trace has no place for that.
  if (core_asserts_) return;
  if (vcpus_.at(vcpu.v).halted && !host_.is_runnable(vcpu) && apic(vcpu).has_deliverable()) host_.wake(vcpu, false);
}

void GuestDomain::init(VcpuId vcpu) {
  cpu_.init(vcpu);
  vcpus_.at(vcpu.v).halted = false;
  host_.wait_for_startup(vcpu);
}

void GuestDomain::startup(VcpuId vcpu, uint8_t vector) {
  if (host_.is_runnable(vcpu)) return;  // it does not wait for one
  cpu_.startup(vcpu, vector);
  host_.wake(vcpu, true);
}

// From a local APIC: unlike the hypervisor's, it wakes by itself, from HLT as from a call that sleeps.
void GuestDomain::nmi(VcpuId vcpu) {
  cpu_.raise_nmi(vcpu);
  if (cpu_.nmi_ready(vcpu) && !host_.is_runnable(vcpu)) host_.wake(vcpu, false);
}

// --- mappings and vCPU states

void GuestDomain::set_mapping(Gfn gfn, std::span<std::byte> page, bool writable) {
  // The hypervisor's map is wider than the addresses that this CPU has: no vCPU can look there.
  constexpr uint64_t kPhysicalGfns = uint64_t{1} << (40 - kPageShift);
  if (gfn.v >= kPhysicalGfns) return;
  const Gpa gpa{gfn.v << kPageShift};
  cpu_.unmap_memory(gpa, kPageSize);
  if (page.empty()) return;
  const Status mapped = cpu_.map_memory(gpa, page, writable);
  XS_CHECK_MSG(mapped.has_value(), mapped ? "" : mapped.error().message);
}

void GuestDomain::start_vcpu(VcpuId vcpu, const xen::VcpuStart& start) {
  cpu_.set_regs(vcpu, regs_of_hvm_context(start.context));
}

// --- hypercalls

bool GuestDomain::serve_viridian_call(VcpuId vcpu) {
  if (!viridian_ || !viridian_->makes_call(vcpu)) return false;
  const BoardGuard guard(*this);
  if (viridian_->serve_call(vcpu)) cpu_.request_stop();
  return true;
}

xen::HypercallRegs GuestDomain::hypercall_regs(VcpuId vcpu) const {
  xen::HypercallRegs regs;
  regs.mode64 = cpu_.mode(vcpu) == CpuMode::kLong;
  regs.cpl = static_cast<uint8_t>(cpu_.cpl(vcpu));
  regs.interrupts_enabled = (cpu_.regs(vcpu).rflags & kRflagsIf) != 0;
  const uint64_t mask = regs.mode64 ? ~uint64_t{0} : 0xffffffff;
  regs.nr = cpu_.gpr(vcpu, kRax) & mask;
  const auto& args = regs.mode64 ? kArgs64 : kArgs32;
  for (size_t i = 0; i < regs.args.size(); ++i) regs.args[i] = cpu_.gpr(vcpu, args[i]) & mask;
  return regs;
}

uint64_t GuestDomain::hypercall(VcpuId vcpu, const xen::HypercallRegs& regs) {
  return host_.core().api.hypercall(ref(vcpu), regs) & (regs.mode64 ? ~uint64_t{0} : 0xffffffff);
}

// One that was preempted is made again: the CPU, which steps over its instruction, is put before it, and takes the
// pending upcall first.
void GuestDomain::finish_hypercall(VcpuId vcpu, uint64_t result) {
  constexpr uint64_t kInstructionBytes = 3;  // VMCALL and VMMCALL
  const auto [api, inspector] = host_.core();
  cpu_.set_gpr(vcpu, kRax, result);
  // An upcall that its handler left pending comes again: hypervisors look each time that they enter the guest.
  if (inspector.upcall_pending(ref(vcpu))) cpu_.raise_interrupt(vcpu);
  const xen::HypercallRegs* const again = api.continuation_of(ref(vcpu));
  if (again == nullptr) return;
  CpuRegs regs = cpu_.regs(vcpu);
  regs.rip -= kInstructionBytes;
  cpu_.set_regs(vcpu, regs);
  const auto& args = again->mode64 ? kArgs64 : kArgs32;
  for (size_t i = 0; i < again->args.size(); ++i) cpu_.set_gpr(vcpu, args[i], again->args[i]);
}

// --- services

bool GuestDomain::serve(Port port) {
  if (!services_) return false;
  const BoardGuard guard(*this);
  bool notify = false;
  if (port == rings_.store_port) {
    notify = services_->store().notified();
    wrote_page(rings_.store_page);
  } else if (port == rings_.console_port) {
    notify = services_->console().notified();
    wrote_page(rings_.console_page);
  }
  return notify;
}

// A service wrote to its ring, as a device does by DMA: code that was translated from there is old.
void GuestDomain::wrote_page(Gpa page) { cpu_.invalidate_code(page, kPageSize); }

bool GuestDomain::take_input(std::string_view text) {
  const BoardGuard guard(*this);
  if (services_) {
    const bool notify = services_->console().input(text);
    wrote_page(rings_.console_page);
    return notify;
  }
  board_.uart().input(text);
  return false;
}

bool GuestDomain::crashed() const {
  const BoardGuard guard(*this);
  return viridian_ && viridian_->crashed();
}

std::string GuestDomain::report(VcpuId vcpu, const pc::SymbolTable& symbols) const {
  return describe_vcpu(cpu_, vcpu, symbols, setup_.memory);
}

}  // namespace xensim::sim
