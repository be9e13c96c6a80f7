// See soft_domain.h: start, slices, hypercalls and halts.
#include "sim/soft/soft_domain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/base/check.h"
#include "models/pc/device/addresses.h"
#include "models/x86/soft_cpu.h"
#include "sim/soft/guest_start.h"
#include "sim/soft/hvm_context.h"
#include "sim/soft/vcpu_report.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kRflagsIf = 1u << 9;

// Where a hypercall's arguments are.
constexpr std::array kArgs64 = {kRdi, kRsi, kRdx, kR10, kR8, kR9};
constexpr std::array kArgs32 = {kRbx, kRcx, kRdx, kRsi, kRdi, kRbp};
// Under a strategy a vCPU that comes to no scheduling point stops after so many instructions.
constexpr uint64_t kExploreBudget = 1'000'000;
// A whole guest's vCPU that is the only one to run.
constexpr uint64_t kTurnAlone = 1'000'000;

}  // namespace

Result<std::unique_ptr<SoftDomain>> SoftDomain::make(SoftMachine& machine, size_t index, bool restored) {
  std::unique_ptr<SoftDomain> self(new SoftDomain(machine, index));
  const GuestConfig& config = *self->domain().config;
  if (restored) {
    XS_TRY(self->files_, read_named_parts(config));
  } else {
    XS_TRY(self->files_, read_guest_files(config));
    // Said here, before anything runs: does all fit the guest's memory?
    XS_TRY_STATUS(self->place());
  }
  self->points_ = self->files_.image.points;
  std::sort(self->points_.begin(), self->points_.end(),
            [](const auto& a, const auto& b) { return a.address < b.address; });
  for (const ActorId id : self->domain().vcpus) {
    machine.actors_[id].fiber = std::make_unique<Fiber>();
    self->vcpus_.emplace_back().actor = &machine.actors_[id];
  }
  return self;
}

SoftDomain::~SoftDomain() = default;

VcpuRef SoftDomain::ref(VcpuId vcpu) const { return {domain().id, vcpu}; }
Domain& SoftDomain::domain() const { return machine_.domains_[index_]; }

uint32_t SoftDomain::apic_id_step() const { return machine_.flavour_.apic_id_is_vcpu ? 1 : 2; }

std::span<std::byte> SoftDomain::memory_at(Gpa gpa, uint64_t bytes) const {
  for (const MemoryPiece& piece : domain().pieces) {
    if (gpa < piece.base || gpa.v - piece.base.v >= piece.bytes) continue;
    if (bytes > piece.bytes - (gpa.v - piece.base.v)) return {};
    return machine_.memory_.host(Maddr{domain().ram.v + piece.offset + (gpa.v - piece.base.v)}, bytes);
  }
  return {};
}

Result<CpuRegs> SoftDomain::place() const {
  const auto low = memory_at(Gpa{0}, domain().pieces.front().bytes);
  return place_guest(*domain().config, files_, apic_id_step(),
                     {low, [this](Gpa gpa, uint64_t bytes) { return memory_at(gpa, bytes); }});
}

Status SoftDomain::start() {
  XS_TRY_STATUS(make_hardware());
  XS_TRY(const CpuRegs entry, place());
  cpu_->set_regs(VcpuId{0}, entry);
  return {};
}

Status SoftDomain::make_hardware() {
  const GuestConfig& config = *domain().config;
  cpu_.reset();
  XS_TRY(cpu_, x86::make_soft_cpu(
                   *this, x86::SoftCpuConfig{.vcpus = config.vcpus,
                                             .holes_read_zero = machine_.flavour_.holes_read_zero,
                                             .whole_blocks = whole_guest(),
                                             .nmi_waits_for_exit = !machine_.flavour_.nmi_follows_iret,
                                             .plain_engine = machine_.scenario_.engine == EngineKind::kPlain,
                                             .frames = &machine_.frames_,
                                             .fetch_outside_ram_halts = machine_.flavour_.fetch_outside_ram_halts,
                                             .settable_machine_checks = machine_.flavour_.settable_machine_checks}));
  for (const MemoryPiece& piece : domain().pieces) {
    XS_TRY_STATUS(cpu_->map_memory(piece.base, memory_at(piece.base, piece.bytes), true));
  }
  XS_TRY_STATUS(cpu_->map_mmio(pc::kApicDefaultBase, pc::kApicMmioBytes));
  const bool io_apic = config.has_pc_devices() || machine_.flavour_.pic_for_all;
  if (io_apic) XS_TRY_STATUS(cpu_->map_mmio(Gpa{pc::kIoApicBase}, kPageSize));
  pc::BoardConfig board;
  board.vcpus = config.vcpus;
  board.apic_id_step = apic_id_step();
  board.apic = {.movable = machine_.flavour_.apic_base_moves,
                .keeps_registers = machine_.flavour_.apic_keeps_registers,
                .tpr_is_cr8 = machine_.flavour_.tpr_is_cr8,
                .errors = machine_.flavour_.apic_errors_ignored ? pc::ApicErrors::kNone : pc::ApicErrors::kSticky};
  board.holes_read_zero = machine_.flavour_.holes_read_zero;
  board.tsc_hz = machine_.scenario_.clock.tsc_khz * 1000;
  board.uart = config.serial;
  board.pc = config.has_pc_devices();
  board.io_apic = io_apic;
  board.io_apic_id = config.platform == GuestPlatform::kPc ? 1 : 0;  // no firmware has run for the others
  board.epoch_s = machine_.scenario_.clock.wallclock_s;
  // A register of Microsoft's interface says what the rate is: it is Xen's there.
  if (config.viridian != 0) board.apic_bus_hz = viridian::Config{}.apic_hz;
  board_ = std::make_unique<pc::Board>(board, *this);
  make_viridian();
  services_.reset();
  if (config.platform != GuestPlatform::kBare) {
    services_ = std::make_unique<DomainServices>(
        domain().id, config, memory_at(machine_.rings_.store_page, kPageSize),
        memory_at(machine_.rings_.console_page, kPageSize), [this](std::string_view text) {
          machine_.console_bytes(domain(), xen::ConsoleChannel::kPvConsole, std::as_bytes(std::span(text)));
        });
  }
  for (uint32_t v = 0; v < config.vcpus; ++v) {
    Actor* actor = vcpus_[v].actor;
    vcpus_[v] = Vcpu{};
    vcpus_[v].actor = actor;
    vcpus_[v].was_blocked = true;  // its time is written before it first runs
    if (v > 0) cpu_->init(VcpuId{v});
  }
  if (machine_.exploring() && !points_.empty()) {
    std::vector<Gva> addresses;
    for (const pc::GuestPoint& point : points_) addresses.push_back(point.address);
    XS_TRY_STATUS(cpu_->set_points(addresses));
  }
  return {};
}

void SoftDomain::make_viridian() {
  viridian_.reset();
  const GuestConfig& config = *domain().config;
  if (config.viridian == 0) return;
  const viridian::Config groups{
      .groups = config.viridian, .vcpus = config.vcpus, .tsc_khz = machine_.scenario_.clock.tsc_khz};
  viridian_ = std::make_unique<ViridianGuest>(
      groups, ViridianGuest::Around{*cpu_, *board_, [this](Gpa at, uint64_t bytes) { return memory_at(at, bytes); },
                                    [this] { return machine_.clock(domain().id).tsc; }});
}

// Brings the virtual time up to what the vCPU has executed.
void SoftDomain::sync(VcpuId vcpu) {
  Vcpu& self = state(vcpu);
  const uint64_t now = cpu_->instructions(vcpu);
  if (!machine_.exploring())
    machine_.advance_time((now - self.accounted) * machine_.scenario_.clock.ns_per_instruction);
  self.accounted = now;
}

// Kernels are run by whole blocks and, where no other waits for its turn, in long turns.
bool SoftDomain::whole_guest() const { return domain().config->platform != GuestPlatform::kBare; }

bool SoftDomain::alone() const {
  return std::none_of(machine_.actors_.begin(), machine_.actors_.end(), [&](const auto& actor) {
    return actor.get() != machine_.current_ && actor->info.kind != ActorKind::kMachine && actor->can_run();
  });
}

// Another actor waits for its turn now.
void SoftDomain::share_turn() {
  if (running_ && !machine_.exploring() && whole_guest()) cpu_->limit_slice(machine_.scenario_.slice);
}

uint64_t SoftDomain::budget() const {
  if (machine_.exploring()) return kExploreBudget;
  const uint64_t slice = machine_.scenario_.slice;
  const uint64_t drawn = slice / 2 + 1 + machine_.prng_.below(slice);
  const uint64_t turn = whole_guest() && alone() ? std::max(drawn, kTurnAlone) : drawn;
  const VirtualNs deadline = machine_.slice_deadline();
  const VirtualNs now = machine_.time();
  if (deadline <= now) return 1;
  const uint64_t per_instruction = machine_.scenario_.clock.ns_per_instruction;
  return std::min(turn, (deadline.v - now.v + per_instruction - 1) / per_instruction);
}

void SoftDomain::limit_slice() {
  if (!running_ || machine_.exploring()) return;
  sync(running_vcpu_);
  const VirtualNs deadline = machine_.slice_deadline();
  const VirtualNs now = machine_.time();
  const uint64_t per_instruction = machine_.scenario_.clock.ns_per_instruction;
  cpu_->limit_slice(deadline <= now ? 1 : (deadline.v - now.v + per_instruction - 1) / per_instruction);
}

void SoftDomain::run(Actor& actor) {
  Vcpu& self = state(actor.info.vcpu.vcpu);
  const VcpuId vcpu = actor.info.vcpu.vcpu;
  if (self.hypercall_in_flight && !go_on_with_hypercall(self)) return;
  if (!actor.can_run()) {
    actor.at = PointOp::kBlocked;
    self.was_blocked = true;
    return;
  }
  if (self.was_blocked) {
    self.was_blocked = false;
    machine_.api_->before_run(ref(vcpu));
  }
  if (self.halted) {
    if (!cpu_->nmi_ready(vcpu) && !interrupt_deliverable(self)) return after_halt(self);
    self.halted = false;
    cpu_->raise_interrupt(vcpu);
  }
  if (self.stopped_at != nullptr) {
    write_point_event(*self.stopped_at);
    self.stopped_instructions = cpu_->instructions(vcpu);
  }
  running_ = true;
  running_vcpu_ = vcpu;
  self.pauses = 0;
  const uint64_t before = cpu_->instructions(vcpu);
  const CpuExit exit = cpu_->run(vcpu, budget());
  running_ = false;
  sync(vcpu);
  if (traces::EventWriter* writer = machine_.events(); writer != nullptr && !machine_.exploring()) {
    static constexpr traces::SliceEnd kEnds[] = {traces::SliceEnd::kBudget,   traces::SliceEnd::kHalt,
                                                 traces::SliceEnd::kPause,    traces::SliceEnd::kStop,
                                                 traces::SliceEnd::kShutdown, traces::SliceEnd::kError};
    writer->write(traces::Slice{ref(vcpu), cpu_->instructions(vcpu) - before, kEnds[static_cast<size_t>(exit)],
                                Gva{cpu_->regs(vcpu).rip}});
  }
  handle_exit(self, exit);
}

void SoftDomain::handle_exit(Vcpu& self, CpuExit exit) {
  Actor& actor = *self.actor;
  switch (exit) {
    case CpuExit::kSlice:
      // No point for so long: the vCPU spins on something that only another can change.
      if (machine_.exploring()) machine_.decide({PointOp::kPause, 0, nullptr});
      return;
    case CpuExit::kHalt:
      self.halted = true;
      if (machine_.exploring() && machine_.decide({PointOp::kHalt, 0, nullptr})) return;
      return after_halt(self);
    case CpuExit::kSuspended: return;
    case CpuExit::kStopped:
      if (!actor.can_run()) {
        actor.at = PointOp::kBlocked;
        self.was_blocked = true;
      }
      return;
    case CpuExit::kShutdown:
      machine_.fail(FailureKind::kGuest, fmt::format("{}: triple fault: {}", actor.label, cpu_->error()), actor.label,
                    report(actor));
      machine_.end_domain(domain(), xen::ShutdownReason::kReboot);
      return;
    case CpuExit::kError:
      machine_.fail(FailureKind::kCheck, fmt::format("{}: {}", actor.label, cpu_->error()), actor.label, report(actor));
      return;
  }
}

// In HLT: blocks unless something came in the meantime.
void SoftDomain::after_halt(Vcpu& self) {
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  const bool enabled = (cpu_->regs(vcpu).rflags & kRflagsIf) != 0;
  if (cpu_->nmi_ready(vcpu) || (enabled && interrupt_deliverable(self))) return;
  machine_.api_->halt(ref(vcpu), enabled);
  if (self.actor->can_run()) return;
  self.actor->at = PointOp::kBlocked;
  self.was_blocked = true;
}

bool SoftDomain::interrupt_deliverable(Vcpu& self) {
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  if (apic(vcpu).has_deliverable()) return true;
  return machine_.as_actor(*self.actor, [&] { return machine_.api_->pending_upcall(ref(vcpu)).has_value(); });
}

// --- hypercalls

void SoftDomain::hypercall_entry(void* pointer) {
  Vcpu& self = *static_cast<Vcpu*>(pointer);
  SoftDomain& domain = *self.domain;
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  Cpu& cpu = *domain.cpu_;
  xen::HypercallRegs regs;
  regs.mode64 = cpu.mode(vcpu) == CpuMode::kLong;
  regs.cpl = static_cast<uint8_t>(cpu.cpl(vcpu));
  regs.interrupts_enabled = (cpu.regs(vcpu).rflags & kRflagsIf) != 0;
  const uint64_t mask = regs.mode64 ? ~uint64_t{0} : 0xffffffff;
  regs.nr = cpu.gpr(vcpu, kRax) & mask;
  const auto& args = regs.mode64 ? kArgs64 : kArgs32;
  for (size_t i = 0; i < regs.args.size(); ++i) regs.args[i] = cpu.gpr(vcpu, args[i]) & mask;
  SoftMachine& machine = domain.machine_;
  domain.machine_point({PointOp::kHypercall, static_cast<uint8_t>(regs.nr), nullptr});
  self.actor->in_entry = true;
  self.result = machine.api_->hypercall(domain.ref(vcpu), regs) & mask;
  self.actor->in_entry = false;
  machine.refresh(*self.actor);
}

// Resumes the fiber in the hook or from the main loop. True: the hypercall is over.
bool SoftDomain::resume_hypercall(Vcpu& self) {
  machine_.cutting_ = machine_.exploring();
  try {
    self.actor->fiber->resume();
  } catch (...) {
    machine_.cutting_ = false;
    throw;
  }
  machine_.cutting_ = false;
  return self.actor->fiber->done();
}

CpuAction SoftDomain::hypercall(VcpuId vcpu) {
  sync(vcpu);
  if (viridian_ && viridian_->makes_call(vcpu)) {
    if (viridian_->serve_call(vcpu)) cpu_->request_stop();
    return CpuAction::kContinue;
  }
  Vcpu& self = state(vcpu);
  self.domain = this;
  ++machine_.outcome_.hypercalls;
  self.actor->fiber->start(&SoftDomain::hypercall_entry, &self);
  if (!resume_hypercall(self)) {
    self.hypercall_in_flight = true;
    return CpuAction::kSuspend;
  }
  set_result(self);
  if (!self.actor->can_run()) cpu_->request_stop();
  return CpuAction::kContinue;
}

// The registers after a hypercall. One that was preempted is made again: the CPU, which steps over its instruction, is
// put before it, and takes the pending upcall first.
void SoftDomain::set_result(Vcpu& self) {
  constexpr uint64_t kInstructionBytes = 3;  // VMCALL and VMMCALL
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  cpu_->set_gpr(vcpu, kRax, self.result);
  // An upcall that its handler left pending comes again: hypervisors look each time that they enter the guest.
  if (machine_.core_.inspector->upcall_pending(ref(vcpu))) cpu_->raise_interrupt(vcpu);
  const xen::HypercallRegs* const again = machine_.api_->continuation_of(ref(vcpu));
  if (again == nullptr) return;
  CpuRegs regs = cpu_->regs(vcpu);
  regs.rip -= kInstructionBytes;
  cpu_->set_regs(vcpu, regs);
  const auto& args = again->mode64 ? kArgs64 : kArgs32;
  for (size_t i = 0; i < again->args.size(); ++i) cpu_->set_gpr(vcpu, args[i], again->args[i]);
}

bool SoftDomain::go_on_with_hypercall(Vcpu& self) {
  if (!resume_hypercall(self)) return false;
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  self.hypercall_in_flight = false;
  set_result(self);
  cpu_->complete_hypercall(vcpu);
  return true;
}

void SoftDomain::finish_entry(Actor& actor) {
  Vcpu& self = state(actor.info.vcpu.vcpu);
  if (self.hypercall_in_flight) actor.fiber->resume();
}

// --- points

const pc::GuestPoint* SoftDomain::find_point(Gva rip) const {
  const auto found = std::lower_bound(points_.begin(), points_.end(), rip,
                                      [](const pc::GuestPoint& point, Gva address) { return point.address < address; });
  return found == points_.end() || found->address != rip ? nullptr : &*found;
}

CpuAction SoftDomain::point(VcpuId vcpu, Gva rip) {
  Vcpu& self = state(vcpu);
  const pc::GuestPoint* const found = find_point(rip);
  if (found == nullptr) return CpuAction::kContinue;
  self.stopped_at = nullptr;
  if (!self.interrupted.empty() && self.interrupted.back().rip == rip.v &&
      self.interrupted.back().rsp == cpu_->gpr(vcpu, kRsp)) {
    self.interrupted.pop_back();
    return CpuAction::kContinue;
  }
  static constexpr std::string_view kPauseSuffix = " pause";
  const std::string& name = found->name;
  const bool pause = name.size() > kPauseSuffix.size() &&
                     name.compare(name.size() - kPauseSuffix.size(), kPauseSuffix.size(), kPauseSuffix) == 0;
  const PointKey key{pause ? PointOp::kPause : PointOp::kGuest, 0, name.c_str()};
  if (machine_.decide(key)) {
    self.actor->at = key.op;
    self.stopped_at = found;
    return CpuAction::kSuspend;
  }
  write_point_event(*found);
  return CpuAction::kContinue;
}

void SoftDomain::write_point_event(const pc::GuestPoint& point) {
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::Point{std::as_bytes(std::span(point.name.data(), point.name.size()))});
  }
}

std::optional<uint8_t> SoftDomain::acknowledge_interrupt(VcpuId vcpu) {
  sync(vcpu);
  Vcpu& self = state(vcpu);
  std::optional<uint8_t> vector;
  const xen::CoreInspector& core = *machine_.core_.inspector;
  // Nothing is left of what was announced.
  if (!core.upcall_pending(ref(vcpu)) && !core.upcall_taken(domain().id) && !apic(vcpu).has_deliverable()) return {};
  if (const auto upcall = machine_.api_->pending_upcall(ref(vcpu))) {
    vector = upcall->vector;
    // While it is pending hypervisors wait for the end of its handler, to look again.
    cpu_->raise_interrupt(vcpu);
  } else {
    vector = apic(vcpu).acknowledge();
  }
  if (!vector) return std::nullopt;
  const CpuRegs regs = cpu_->regs(vcpu);
  if (self.stopped_at != nullptr && self.stopped_instructions == cpu_->instructions(vcpu)) {
    self.interrupted.push_back({regs.rip, regs.gpr[kRsp]});
  }
  self.stopped_at = nullptr;
  if (apic(vcpu).has_deliverable()) cpu_->raise_interrupt(vcpu);
  if (traces::EventWriter* writer = machine_.events())
    writer->write(traces::Interrupt{ref(vcpu), *vector, Gva{regs.rip}});
  return vector;
}

// Does a PAUSE end the turn? A kernel's vCPU goes on while it is alone, and a few more times round its loop else, as
// hardware lets it: then the change to another is not most of what there is to do.
bool SoftDomain::ends_turn(Vcpu& self) const {
  constexpr unsigned kPausesInTurn = 8;
  if (machine_.domains_.size() + vcpus_.size() <= 2) return false;
  if (!whole_guest()) return true;
  return ++self.pauses >= kPausesInTurn && !alone();
}

CpuAction SoftDomain::pause(VcpuId vcpu) {
  sync(vcpu);
  if (!machine_.exploring()) return ends_turn(state(vcpu)) ? CpuAction::kSuspend : CpuAction::kContinue;
  if (find_point(Gva{cpu_->regs(vcpu).rip}) != nullptr) return CpuAction::kContinue;  // point() has dealt with it
  const PointKey key{PointOp::kPause, 0, nullptr};
  if (!machine_.decide(key)) return CpuAction::kContinue;
  state(vcpu).actor->at = key.op;
  return CpuAction::kSuspend;
}

// --- mappings and vCPU states

void SoftDomain::set_mapping(Gfn gfn, Maybe<Mfn> frame, bool writable) {
  // The hypervisor's map is wider than the addresses that this CPU has: no vCPU can look there.
  constexpr uint64_t kPhysicalGfns = uint64_t{1} << (40 - kPageShift);
  if (gfn.v >= kPhysicalGfns) return;
  const Gpa gpa{gfn.v << kPageShift};
  cpu_->unmap_memory(gpa, kPageSize);
  if (!frame) return;
  const Status mapped =
      cpu_->map_memory(gpa, machine_.memory_.host(Maddr{frame->v << kPageShift}, kPageSize), writable);
  XS_CHECK_MSG(mapped.has_value(), mapped ? "" : mapped.error().message);
}

void SoftDomain::start_vcpu(VcpuId vcpu, const xen::VcpuStart& start) {
  cpu_->set_regs(vcpu, regs_of_hvm_context(start.context));
}

void SoftDomain::init(VcpuId vcpu) {
  Vcpu& self = state(vcpu);
  cpu_->init(vcpu);
  self.halted = false;
  self.actor->core_runnable = false;
  machine_.refresh(*self.actor);
  if (running_ && running_vcpu_ == vcpu) cpu_->request_stop();
}

void SoftDomain::startup(VcpuId vcpu, uint8_t vector) {
  if (state(vcpu).actor->core_runnable) return;  // it does not wait for one
  cpu_->startup(vcpu, vector);
  machine_.api_->wake(ref(vcpu), true);
}

void SoftDomain::assert_vector(VcpuId vcpu, uint8_t vector) {
  core_asserts_ = true;
  apic(vcpu).assert_vector(vector);
  core_asserts_ = false;
}

void SoftDomain::interrupt_ready(VcpuId vcpu) {
  cpu_->raise_interrupt(vcpu);
  // The core is not entered from inside a call of its own: a trace has no place for that.
  if (core_asserts_) return;
  Vcpu& self = state(vcpu);
  if (self.halted && !self.actor->core_runnable && apic(vcpu).has_deliverable()) machine_.api_->wake(ref(vcpu), false);
}

void SoftDomain::preempt(VcpuId vcpu) {
  state(vcpu).was_blocked = true;
  machine_.as_actor(*state(vcpu).actor, [&] { machine_.api_->preempted(ref(vcpu)); });
}

void SoftDomain::inject_nmi(VcpuId vcpu) { cpu_->raise_nmi(vcpu); }

// From a local APIC: unlike the hypervisor's, it wakes by itself, from HLT as from a call that sleeps.
void SoftDomain::nmi(VcpuId vcpu) {
  inject_nmi(vcpu);
  if (cpu_->nmi_ready(vcpu) && !state(vcpu).actor->core_runnable) machine_.api_->wake(ref(vcpu), false);
}

void SoftDomain::software_enabled(VcpuId vcpu) { machine_.api_->lapic_enabled(ref(vcpu)); }

uint64_t SoftDomain::instructions() const {
  uint64_t sum = 0;
  for (uint32_t v = 0; v < vcpus_.size(); ++v) sum += cpu_ ? cpu_->instructions(VcpuId{v}) : 0;
  return sum;
}

std::string SoftDomain::report(const Actor& actor) const {
  const VcpuId vcpu = actor.info.vcpu.vcpu;
  return describe_vcpu(*cpu_, vcpu, files_.image.symbols, [this](Gpa gpa) -> std::optional<uint64_t> {
    const auto bytes = memory_at(gpa, 8);
    if (bytes.empty()) return std::nullopt;
    uint64_t word = 0;
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(&word));
    return word;
  });
}

}  // namespace xensim::sim
