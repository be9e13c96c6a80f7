// What a vCPU asks for inside its slice: its instructions so far are in the virtual time before the guest is asked.
#include <algorithm>

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
  return machine_.tsc();
}

std::optional<uint8_t> SoftDomain::acknowledge_interrupt(VcpuId vcpu) {
  sync(vcpu);
  const auto vector = guest_->acknowledge_interrupt(vcpu);
  if (!vector) return std::nullopt;
  Vcpu& self = state(vcpu);
  if (self.stopped_at != nullptr && self.stopped_instructions == cpu_->instructions(vcpu)) {
    const CpuRegs regs = cpu_->regs(vcpu);
    self.interrupted.push_back({regs.rip, regs.gpr[kRsp]});
  }
  self.stopped_at = nullptr;
  return vector;
}

// --- hypercalls

void SoftDomain::hypercall_entry(void* pointer) {
  Vcpu& self = *static_cast<Vcpu*>(pointer);
  SoftDomain& domain = *self.domain;
  const VcpuId vcpu = self.actor->info.vcpu.vcpu;
  const xen::HypercallRegs regs = domain.guest_->hypercall_regs(vcpu);
  domain.machine_.point({PointOp::kHypercall, static_cast<uint8_t>(regs.nr), nullptr});
  self.actor->in_entry = true;
  self.result = domain.guest_->hypercall(vcpu, regs);
  self.actor->in_entry = false;
  domain.machine_.refresh(*self.actor);
}

CpuAction SoftDomain::hypercall(VcpuId vcpu) {
  sync(vcpu);
  if (guest_->serve_viridian_call(vcpu)) return CpuAction::kContinue;
  Vcpu& self = state(vcpu);
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

}  // namespace xensim::sim
