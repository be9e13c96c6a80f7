// See soft_domain.h: what it is made of, what its guest asks of it, and its fields. It is saved between turns of a
// plain run: no hypercall is in flight, no vCPU is cut at a point, and all its instructions are in the virtual time.
#include "sim/soft/soft_domain.h"

#include <algorithm>

#include "models/base/check.h"
#include "models/x86/soft_cpu.h"
#include "sim/guest/guest_start.h"

namespace xensim::sim {

Result<std::unique_ptr<SoftDomain>> SoftDomain::make(BackendHost machine, Domain& domain, x86::HostFrames& frames,
                                                     bool restored) {
  std::unique_ptr<SoftDomain> self(new SoftDomain(machine, domain, frames));
  if (restored) {
    XS_TRY(self->files_, read_named_parts(*domain.config));
  } else {
    XS_TRY(self->files_, read_guest_files(*domain.config));
    // Said here, before anything runs: does all fit the guest's memory?
    XS_TRY_STATUS(place_guest(*domain.config, machine.flavour(), self->files_, self->memory()));
  }
  self->points_ = self->files_.image.points;
  std::sort(self->points_.begin(), self->points_.end(),
            [](const auto& a, const auto& b) { return a.address < b.address; });
  return self;
}

SoftDomain::SoftDomain(BackendHost machine, Domain& domain, x86::HostFrames& frames)
    : machine_(machine), domain_(domain), frames_(frames) {
  for (const ActorId id : domain.vcpus) {
    Actor& actor = machine.actor(id);
    actor.fiber = std::make_unique<Fiber>();
    vcpus_.emplace_back().actor = &actor;
  }
}

SoftDomain::~SoftDomain() = default;

GuestMemory SoftDomain::memory() const { return {machine_.memory(domain_.ram, domain_.bytes), domain_.pieces}; }

Status SoftDomain::start() {
  XS_TRY_STATUS(make_hardware());
  return guest_->load(files_);
}

Status SoftDomain::make_hardware() {
  const xen::Flavour& flavour = machine_.flavour();
  const Scenario& scenario = machine_.scenario();
  guest_.reset();
  cpu_.reset();
  XS_TRY(cpu_,
         x86::make_soft_cpu(*this, x86::SoftCpuConfig{.vcpus = domain_.config->vcpus,
                                                      .holes_read_zero = flavour.holes_read_zero,
                                                      .whole_blocks = whole_guest(),
                                                      .nmi_waits_for_exit = !flavour.nmi_follows_iret,
                                                      .plain_engine = scenario.engine == EngineKind::kPlain,
                                                      .frames = &frames_,
                                                      .fetch_outside_ram_halts = flavour.fetch_outside_ram_halts,
                                                      .settable_machine_checks = flavour.settable_machine_checks}));
  XS_TRY(guest_, GuestDomain::make({domain_.id, *domain_.config, scenario.clock, flavour, memory()}, *cpu_, *this));
  reset_vcpus();
  if (machine_.exploring() && !points_.empty()) {
    std::vector<Gva> addresses;
    for (const pc::GuestPoint& point : points_) addresses.push_back(point.address);
    XS_TRY_STATUS(cpu_->set_points(addresses));
  }
  return {};
}

void SoftDomain::reset_vcpus() {
  for (Vcpu& vcpu : vcpus_) {
    Actor* const actor = vcpu.actor;
    vcpu = Vcpu{};
    vcpu.domain = this;
    vcpu.actor = actor;
    vcpu.was_blocked = true;  // its time is written before it first runs
  }
}

uint64_t SoftDomain::instructions() const {
  uint64_t sum = 0;
  for (uint32_t v = 0; v < vcpus_.size(); ++v) sum += cpu_ ? cpu_->instructions(VcpuId{v}) : 0;
  return sum;
}

void SoftDomain::fields(StateArchive& ar) {
  guest_->fields(ar);
  for (uint32_t v = 0; v < vcpus_.size() && ar.ok(); ++v) {
    Vcpu& vcpu = vcpus_[v];
    XS_CHECK(!vcpu.hypercall_in_flight && !vcpu.at_point && vcpu.interrupted.empty());
    ar.open("vcpu", v);
    guest_->vcpu_fields(ar, VcpuId{v});
    ar("was_blocked", vcpu.was_blocked);
    ar.close();
    if (ar.loading()) vcpu.accounted = cpu_->instructions(VcpuId{v});
  }
}

// --- DomainHost

// Numbers below those of the chipset's timers are local APICs'.
DueId SoftDomain::due_id(uint32_t timer) const {
  if (timer >= pc::kPitTimer) return {DueKind::kDevice, {xen::TimerKind::kSingleshot, ref(VcpuId{0})}, timer};
  return {DueKind::kApicTimer, {xen::TimerKind::kSingleshot, ref(VcpuId{timer})}, 0};
}

void SoftDomain::arm_timer(uint32_t timer, VirtualNs deadline) {
  machine_.arm(due_id(timer), deadline);
  limit_slice();
}

void SoftDomain::cancel_timer(uint32_t timer) { machine_.cancel(due_id(timer)); }

void SoftDomain::wait_for_startup(VcpuId vcpu) {
  Actor& actor = *state(vcpu).actor;
  actor.core_runnable = false;
  machine_.refresh(actor);
  if (running_ && running_vcpu_ == vcpu) cpu_->request_stop();
}

void SoftDomain::console_output(xen::ConsoleChannel channel, std::span<const std::byte> text) {
  machine_.console_bytes(domain_, channel, text);
}

}  // namespace xensim::sim
