// A vCPU's turn on the software CPU: how long it is, what ends it, and what follows from that.
#include <fmt/format.h>

#include <algorithm>

#include "sim/soft/soft_domain.h"

namespace xensim::sim {

namespace {

// Under a strategy a vCPU that comes to no scheduling point stops after so many instructions.
constexpr uint64_t kExploreBudget = 1'000'000;
// A whole guest's vCPU that is the only one to run.
constexpr uint64_t kTurnAlone = 1'000'000;

}  // namespace

// Brings the virtual time up to what the vCPU has executed.
void SoftDomain::sync(VcpuId vcpu) {
  Vcpu& self = state(vcpu);
  const uint64_t now = cpu_->instructions(vcpu);
  if (!machine_.exploring())
    machine_.advance_time((now - self.accounted) * machine_.scenario().clock.ns_per_instruction);
  self.accounted = now;
}

// Kernels are run by whole blocks and, where no other waits for its turn, in long turns.
bool SoftDomain::whole_guest() const { return domain_.config->platform != GuestPlatform::kBare; }

// Another actor waits for its turn now.
void SoftDomain::share_turn() {
  if (running_ && !machine_.exploring() && whole_guest()) cpu_->limit_slice(machine_.scenario().slice);
}

// In instructions; at least one.
uint64_t SoftDomain::until_deadline() const {
  const VirtualNs deadline = machine_.slice_deadline();
  const VirtualNs now = machine_.time();
  if (deadline <= now) return 1;
  const uint64_t per_instruction = machine_.scenario().clock.ns_per_instruction;
  return (deadline.v - now.v + per_instruction - 1) / per_instruction;
}

uint64_t SoftDomain::budget() const {
  if (machine_.exploring()) return kExploreBudget;
  const uint64_t slice = machine_.scenario().slice;
  const uint64_t drawn = slice / 2 + 1 + machine_.draw_below(slice);
  const uint64_t turn = whole_guest() && machine_.alone() ? std::max(drawn, kTurnAlone) : drawn;
  return std::min(turn, until_deadline());
}

void SoftDomain::limit_slice() {
  if (!running_ || machine_.exploring()) return;
  sync(running_vcpu_);
  cpu_->limit_slice(until_deadline());
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
    machine_.core().before_run(ref(vcpu));
  }
  if (guest_->halted(vcpu) && !guest_->leave_halt(vcpu)) return after_halt(self);
  if (self.at_point) {
    if (!machine_.takes_interrupt(actor)) {
      pass_point(self);
    } else if (!begin_interrupt(self)) {
      return;
    }
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
  const VcpuId vcpu = actor.info.vcpu.vcpu;
  switch (exit) {
    case CpuExit::kSlice:
      // No point for so long: the vCPU spins on something that only another can change.
      if (machine_.exploring()) machine_.decide({PointOp::kPause, 0, nullptr});
      return;
    case CpuExit::kHalt:
      let_interrupts_in(self);
      guest_->enter_halt(vcpu);
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
                    report(vcpu));
      machine_.end_domain(domain_, xen::ShutdownReason::kReboot);
      return;
    case CpuExit::kError:
      machine_.fail(FailureKind::kCheck, fmt::format("{}: {}", actor.label, cpu_->error()), actor.label, report(vcpu));
      return;
  }
}

// In HLT: blocks unless something came in the meantime.
void SoftDomain::after_halt(Vcpu& self) {
  if (!guest_->sleep(self.actor->info.vcpu.vcpu) || self.actor->can_run()) return;
  self.actor->at = PointOp::kBlocked;
  self.was_blocked = true;
}

// Does a PAUSE end the turn? A kernel's vCPU goes on while it is alone, and a few more times round its loop else, as
// hardware lets it: then the change to another is not most of what there is to do.
bool SoftDomain::ends_turn(Vcpu& self) const {
  constexpr unsigned kPausesInTurn = 8;
  if (machine_.domains() + vcpus_.size() <= 2) return false;
  if (!whole_guest()) return true;
  return ++self.pauses >= kPausesInTurn && !machine_.alone();
}

CpuAction SoftDomain::pause(VcpuId vcpu) {
  sync(vcpu);
  if (!machine_.exploring()) return ends_turn(state(vcpu)) ? CpuAction::kSuspend : CpuAction::kContinue;
  if (find_point(Gva{cpu_->regs(vcpu).rip}) != nullptr) return CpuAction::kContinue;  // point() has dealt with it
  let_interrupts_in(state(vcpu));
  const PointKey key{PointOp::kPause, 0, nullptr};
  if (!machine_.decide(key)) return CpuAction::kContinue;
  state(vcpu).actor->at = key.op;
  return CpuAction::kSuspend;
}

void SoftDomain::preempt(VcpuId vcpu) {
  state(vcpu).was_blocked = true;
  machine_.as_actor(*state(vcpu).actor, [&] { machine_.core().preempted(ref(vcpu)); });
}

}  // namespace xensim::sim
