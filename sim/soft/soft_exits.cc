// What a vCPU asks for inside its slice: its instructions so far are in the virtual time before the guest is asked.
#include <algorithm>
#include <utility>

#include "sim/soft/soft_domain.h"

namespace xensim::sim {

uint32_t SoftDomain::port_in(VcpuId vcpu, uint16_t port, unsigned bytes) {
  sync(vcpu);
  return guest_->port_in(vcpu, port, bytes);
}

void SoftDomain::port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) {
  sync(vcpu);
  guest_->port_out(vcpu, port, bytes, value);
  if (!state(vcpu).actor->can_run()) cpu_->request_stop();
}

uint64_t SoftDomain::mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  sync(vcpu);
  return guest_->mmio_read(vcpu, gpa, bytes);
}

void SoftDomain::mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) {
  sync(vcpu);
  guest_->mmio_write(vcpu, gpa, bytes, value);
}

CpuidResult SoftDomain::cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) {
  sync(vcpu);
  return guest_->cpuid(vcpu, leaf, subleaf, native);
}

std::optional<uint64_t> SoftDomain::rdmsr(VcpuId vcpu, uint32_t msr) {
  sync(vcpu);
  return guest_->rdmsr(vcpu, msr);
}

bool SoftDomain::wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  sync(vcpu);
  return guest_->wrmsr(vcpu, msr, value);
}

void SoftDomain::msr_served(VcpuId vcpu) {
  sync(vcpu);
  guest_->vm_exit(vcpu);
}

uint8_t SoftDomain::cr8(VcpuId vcpu) {
  sync(vcpu);
  return guest_->cr8(vcpu);
}

void SoftDomain::set_cr8(VcpuId vcpu, uint8_t value) {
  sync(vcpu);
  guest_->set_cr8(vcpu, value);
}

void SoftDomain::halting(VcpuId vcpu) {
  sync(vcpu);
  guest_->halting(vcpu);
}

uint64_t SoftDomain::rdtsc(VcpuId vcpu) {
  sync(vcpu);
  if (machine_.exploring()) machine_.look_at_clock();
  return machine_.tsc();
}

std::optional<uint8_t> SoftDomain::acknowledge_interrupt(VcpuId vcpu) {
  sync(vcpu);
  Vcpu& self = state(vcpu);
  if (self.held) {
    self.withheld = true;
    return std::nullopt;
  }
  return guest_->acknowledge_interrupt(vcpu);
}

// --- hypercalls

void SoftDomain::hypercall_entry(void* pointer) {
  Vcpu& self = *static_cast<Vcpu*>(pointer);
  SoftDomain& domain = *self.domain;
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  const xen::HypercallRegs regs = domain.guest_->hypercall_regs(vcpu);
  self.actor->in_entry = true;
  self.result = domain.guest_->hypercall(vcpu, regs);
  self.actor->in_entry = false;
  domain.machine_.refresh(*self.actor);
}

CpuAction SoftDomain::hypercall(VcpuId vcpu) {
  sync(vcpu);
  if (guest_->serve_viridian_call(vcpu)) return CpuAction::kContinue;
  Vcpu& self = state(vcpu);
  if (machine_.exploring() && !std::exchange(self.passes_hypercall, false)) {
    has_returned(self, cpu_->regs(vcpu).rip);
    const auto number = static_cast<uint8_t>(guest_->hypercall_regs(vcpu).nr);
    if (stops_at(self, {PointOp::kHypercall, number, nullptr})) return CpuAction::kSuspend;
    self.passes_hypercall = false;
  }
  let_interrupts_in(self);
  machine_.count_hypercall();
  self.actor->fiber->start(&SoftDomain::hypercall_entry, &self);
  if (!machine_.resume(*self.actor)) {
    self.hypercall_in_flight = true;
    return CpuAction::kSuspend;
  }
  guest_->finish_hypercall(vcpu, self.result);
  if (!self.actor->can_run()) cpu_->request_stop();
  return CpuAction::kContinue;
}

// From the main loop. True: the hypercall is over.
bool SoftDomain::go_on_with_hypercall(Vcpu& self) {
  if (!machine_.resume(*self.actor)) return false;
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  self.hypercall_in_flight = false;
  guest_->finish_hypercall(vcpu, self.result);
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

// How a point's name ends says what it is (access.h of the kit).
bool SoftDomain::has_suffix(const pc::GuestPoint& point, std::string_view suffix) {
  const std::string& name = point.name;
  return name.size() >= suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

CpuAction SoftDomain::point(VcpuId vcpu, Gva rip) {
  Vcpu& self = state(vcpu);
  const pc::GuestPoint* const found = find_point(rip);
  if (found == nullptr) return CpuAction::kContinue;
  has_returned(self, rip.v);
  self.stopped_at = found;
  // Which memory it touches is not known here.
  const AccessKind kind = has_suffix(*found, " load") ? AccessKind::kRead : AccessKind::kWrite;
  const bool pause = has_suffix(*found, " pause"), begins = has_suffix(*found, " begin");
  if (begins) machine_.search_from_here();
  const ObjectAccess access{0, kWholeObject, pause || begins ? AccessKind::kRead : kind};
  return stops_at(self, {pause ? PointOp::kPause : PointOp::kGuest, 0, found->name.c_str(), access})
             ? CpuAction::kSuspend
             : CpuAction::kContinue;
}

// The vCPU is at a point: true, its turn ends there.
bool SoftDomain::stops_at(Vcpu& self, const PointKey& key) {
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  let_interrupts_in(self);
  self.key = key;
  self.at_point = true;
  self.open = (cpu_->regs(vcpu).rflags & kRflagsIf) != 0;
  hinted(vcpu);
  if (machine_.decide(key)) {
    self.actor->at = key.op;
    return true;
  }
  pass_point(self);
  return false;
}

void SoftDomain::leave_point(Vcpu& self) {
  self.at_point = false;
  self.stopped_at = nullptr;
  machine_.set_interrupt(*self.actor, false);
}

// The operation at the point is next; its interrupt waits for the next point, as it was not chosen.
void SoftDomain::pass_point(Vcpu& self) {
  if (self.stopped_at != nullptr) write_point_event(*self.stopped_at);
  self.passes_hypercall = self.key.op == PointOp::kHypercall;
  self.held = self.open;
  leave_point(self);
  machine_.touch({object_of(ObjectSpace::kHandler, self.actor->id), kWholeObject, AccessKind::kRead});
  machine_.touch(self.key.access);
}

// It was chosen as its interrupt. false: there is none any more, and another choice was made.
bool SoftDomain::begin_interrupt(Vcpu& self) {
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  machine_.begin_handler(*self.actor);
  if (!has_interrupt(self)) {
    machine_.end_handler(*self.actor);
    machine_.decide(self.key);
    return false;
  }
  leave_point(self);
  const CpuRegs regs = cpu_->regs(vcpu);
  self.interrupted.push_back({regs.rip, regs.gpr[kRsp]});
  cpu_->raise_interrupt(vcpu);
  return true;
}

// Has the handler that was taken at a point come back there?
bool SoftDomain::has_returned(Vcpu& self, uint64_t rip) {
  if (self.interrupted.empty()) return false;
  const InterruptedPoint& last = self.interrupted.back();
  if (last.rip != rip || last.rsp != cpu_->gpr(self.actor->info.vcpu.vcpu, kRsp)) return false;
  self.interrupted.pop_back();
  machine_.end_handler(*self.actor);
  return true;
}

void SoftDomain::let_interrupts_in(Vcpu& self) {
  self.held = false;
  if (std::exchange(self.withheld, false)) cpu_->raise_interrupt(self.actor->info.vcpu.vcpu);
}

bool SoftDomain::has_interrupt(Vcpu& self) { return self.open && guest_->has_interrupt(self.actor->info.vcpu.vcpu); }

void SoftDomain::hinted(VcpuId vcpu) {
  Vcpu& self = state(vcpu);
  if (self.at_point) machine_.set_interrupt(*self.actor, has_interrupt(self));
}

void SoftDomain::write_point_event(const pc::GuestPoint& point) {
  if (traces::EventWriter* writer = machine_.events()) {
    writer->write(traces::Point{std::as_bytes(std::span(point.name.data(), point.name.size()))});
  }
}

}  // namespace xensim::sim
