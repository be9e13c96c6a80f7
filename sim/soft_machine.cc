// See soft_machine.h.
#include "sim/soft_machine.h"

#include <sys/mman.h>

#include "models/base/check.h"
#include "models/x86/version.h"
#include "sim/soft_domain.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kCorePages = 256 << 20;  // address space for shared_info, grant tables and the like

}  // namespace

SoftMachine::SoftMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory)
    : Machine(scenario, flavour, std::move(memory)) {}

SoftMachine::~SoftMachine() = default;

Result<std::unique_ptr<SoftMachine>> SoftMachine::make(const Scenario& scenario, const xen::Flavour& flavour) {
  uint64_t bytes = kCorePages;
  for (const GuestConfig& guest : scenario.guests) bytes += guest.memory_bytes;
  XS_TRY(auto memory, MachineMemory::reserve(bytes));
  std::unique_ptr<SoftMachine> machine(new SoftMachine(scenario, flavour, std::move(memory)));
  for (size_t d = 0; d < machine->domains_.size(); ++d) {
    XS_TRY(auto domain, SoftDomain::make(*machine, d));
    machine->soft_.push_back(std::move(domain));
  }
  return machine;
}

std::string SoftMachine::engine_version() { return x86::engine_version(); }

SoftDomain& SoftMachine::soft_of(VcpuRef vcpu) { return *soft_.at(vcpu.dom.v - 1u); }

void SoftMachine::reset(const MachineOptions& options) {
  Machine::reset(options);
  for (const Domain& domain : domains_) memory_.clear(domain.ram, domain.config->memory_bytes);
}

void SoftMachine::start_guests() {
  for (const auto& domain : soft_) {
    const Status started = domain->start();
    XS_CHECK_MSG(started.has_value(), started ? "" : started.error().message);
  }
}

void SoftMachine::run_vcpu(Actor& actor) { soft_of(actor.info.vcpu).run(actor); }
void SoftMachine::finish_entry(Actor& actor) { soft_of(actor.info.vcpu).finish_entry(actor); }
void SoftMachine::interrupt_hint(VcpuRef vcpu) { soft_of(vcpu).cpu().raise_interrupt(vcpu.vcpu); }
void SoftMachine::apic_timer_due(VcpuRef vcpu) { soft_of(vcpu).board().timer_expired(vcpu.vcpu.v); }

void SoftMachine::deadline_moved() {
  for (const auto& domain : soft_) domain->limit_slice();
}

uint64_t SoftMachine::total_instructions() const {
  uint64_t sum = 0;
  for (const auto& domain : soft_) sum += domain->instructions();
  return sum;
}

std::string SoftMachine::vcpu_report(const Actor& actor) const { return soft_.at(actor.domain)->report(actor); }

void SoftMachine::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  Machine::write(site, to, from);
  code_changed(to, from.size());
}

void SoftMachine::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  Machine::copy(site, to, from, bytes);
  code_changed(to, bytes);
}

// The engine does not see what others write: it must forget code that it translated from there.
void SoftMachine::code_changed(Maddr at, uint64_t bytes) {
  for (size_t d = 0; d < domains_.size(); ++d) {
    const Domain& domain = domains_[d];
    if (at.v < domain.ram.v || at.v >= domain.ram.v + domain.config->memory_bytes) continue;
    soft_[d]->cpu().invalidate_code(Gpa{at.v - domain.ram.v}, bytes);
  }
}

std::optional<Gpa> SoftMachine::translate(VcpuRef vcpu, Gva gva, Access access) {
  return soft_of(vcpu).cpu().translate(vcpu.vcpu, gva, access);
}

void SoftMachine::set_mapping(DomId dom, Gfn gfn, std::optional<Mfn> frame, bool writable) {
  soft_of({dom, VcpuId{0}}).set_mapping(gfn, frame, writable);
}

void SoftMachine::start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) { soft_of(vcpu).start_vcpu(vcpu.vcpu, start); }
void SoftMachine::preempt(Actor& actor) { soft_of(actor.info.vcpu).preempt(actor.info.vcpu.vcpu); }
void SoftMachine::inject_nmi(VcpuRef vcpu) { soft_of(vcpu).inject_nmi(vcpu.vcpu); }
void SoftMachine::assert_lapic_vector(VcpuRef vcpu, uint8_t vector) {
  soft_of(vcpu).apic(vcpu.vcpu).assert_vector(vector);
}
bool SoftMachine::lapic_enabled(VcpuRef vcpu) { return soft_of(vcpu).apic(vcpu.vcpu).software_enabled(); }

}  // namespace xensim::sim
