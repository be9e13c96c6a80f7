// See soft_machine.h.
#include "sim/soft/soft_machine.h"

#include <sys/mman.h>

#include "models/base/check.h"
#include "models/pc/pc_devices.h"
#include "models/x86/engine/version.h"
#include "models/x86/soft_cpu.h"
#include "sim/machine/memory_hash.h"
#include "sim/soft/soft_domain.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kCorePages = 256 << 20;  // address space for shared_info, grant tables and the like

}  // namespace

SoftMachine::SoftMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory, bool restored)
    : Machine(scenario, flavour, std::move(memory), *this), restored_(restored) {}

SoftMachine::~SoftMachine() = default;

Result<std::unique_ptr<SoftMachine>> SoftMachine::make(const Scenario& scenario, const xen::Flavour& flavour,
                                                       bool restored) {
  uint64_t bytes = kCorePages;
  for (const GuestConfig& guest : scenario.guests) bytes += guest.memory_bytes + kAcpiBytes + kSpecialBytes;
  XS_TRY(auto memory, MachineMemory::reserve(bytes));
  std::unique_ptr<SoftMachine> machine(new SoftMachine(scenario, flavour, std::move(memory), restored));
  for (size_t d = 0; d < machine->domains_.size(); ++d) {
    XS_TRY(auto domain, SoftDomain::make(machine->host(), machine->domains_[d], machine->frames_, restored));
    machine->soft_.push_back(std::move(domain));
  }
  return machine;
}

std::string SoftMachine::engine_version() { return x86::engine_version(); }

std::string SoftMachine::why_engine_is_plain() { return x86::why_engine_is_plain(); }

SoftDomain& SoftMachine::soft_of(VcpuRef vcpu) { return *soft_.at(vcpu.dom.v - 1u); }

void SoftMachine::reset(const MachineOptions& options) {
  Machine::reset(options);
  for (const Domain& domain : domains_) memory_.clear(domain.ram, domain.bytes);
}

void SoftMachine::start_guests() {
  XS_CHECK(!restored_);
  for (const auto& domain : soft_) {
    const Status started = domain->start();
    XS_CHECK_MSG(started.has_value(), started ? "" : started.error().message);
  }
}

void SoftMachine::make_guests() {
  for (const auto& domain : soft_) {
    const Status made = domain->make_hardware();
    XS_CHECK_MSG(made.has_value(), made ? "" : made.error().message);
  }
}

void SoftMachine::guest_fields(StateArchive& ar) {
  for (size_t d = 0; d < soft_.size(); ++d) {
    ar.open("guest", d);
    soft_[d]->fields(ar);
    ar.close();
  }
}

void SoftMachine::run_vcpu(Actor& actor) { soft_of(actor.info.vcpu).run(actor); }
void SoftMachine::finish_entry(Actor& actor) { soft_of(actor.info.vcpu).finish_entry(actor); }
void SoftMachine::interrupt_hint(VcpuRef vcpu) {
  soft_of(vcpu).cpu().raise_interrupt(vcpu.vcpu);
  soft_of(vcpu).hinted(vcpu.vcpu);
}
void SoftMachine::apic_timer_due(VcpuRef vcpu) { soft_of(vcpu).guest().timer_expired(vcpu.vcpu.v); }

// Whole guests say what they left behind, so that equal traces are equal memories too.
void SoftMachine::domain_ended(Domain& domain) {
  if (domain.config->platform == GuestPlatform::kBare || events() == nullptr) return;
  events()->write(traces::MemoryHash{domain.id, memory_hash(memory_.host(domain.ram, domain.bytes))});
}

void SoftMachine::device_timer_due(DomId dom, uint32_t timer) {
  soft_of({dom, VcpuId{0}}).guest().timer_expired(timer);
}

// The local APICs' timers are due as such (DueKind::kApicTimer); of the devices the chipset's PIT has one.
bool SoftMachine::has_device_timer(const Domain& domain, uint32_t timer) const {
  return timer == pc::kPitTimer && domain.config->has_pc_devices();
}

void SoftMachine::set_gsi(DomId dom, uint32_t gsi, bool level) {
  soft_of({dom, VcpuId{0}}).guest().set_gsi(gsi, level);
}

bool SoftMachine::serve_outside(DomId dom, Port port) { return soft_of({dom, VcpuId{0}}).guest().serve(port); }
void SoftMachine::take_input(Domain& domain, std::string_view text) {
  if (soft_of({domain.id, VcpuId{0}}).guest().take_input(text)) notify_from_outside(domain.id, rings_.console_port);
}

void SoftMachine::deadline_moved() {
  for (const auto& domain : soft_) domain->limit_slice();
}

void SoftMachine::runnable_changed(Actor& actor) {
  if (&actor == current_ || !actor.can_run()) return;
  for (const auto& domain : soft_) domain->share_turn();
  // QEMU's own backends are served before the vCPU that told them goes on.
  if (actor.info.kind != ActorKind::kExternal || !flavour_.poll_needs_vector_callback || exploring()) return;
  if (current_ == nullptr || current_->info.kind != ActorKind::kVcpu) return;
  if (domains_[current_->domain].config->platform == GuestPlatform::kBare) return;
  soft_of(current_->info.vcpu).cpu().limit_slice(0);
}

uint64_t SoftMachine::total_instructions() const {
  uint64_t sum = 0;
  for (const auto& domain : soft_) sum += domain->instructions();
  return sum;
}

std::string SoftMachine::vcpu_report(const Actor& actor) const {
  return soft_.at(actor.domain)->report(actor.info.vcpu.vcpu);
}

// The engines do not see what the core writes: each must forget code that it translated from there, wherever it has the
// frame mapped.
void SoftMachine::store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) {
  Machine::store(site, at, bytes, value);
  frames_.changed(memory_.host(at), bytes);
}

uint64_t SoftMachine::rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) {
  const uint64_t old = Machine::rmw(site, at, bytes, op, operand, expected);
  frames_.changed(memory_.host(at), bytes);
  return old;
}

void SoftMachine::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  Machine::write(site, to, from);
  frames_.changed(memory_.host(to), from.size());
}

void SoftMachine::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  Machine::copy(site, to, from, bytes);
  frames_.changed(memory_.host(to), bytes);
}

Maybe<Gpa> SoftMachine::translate(VcpuRef vcpu, Gva gva, xensim::Access access) {
  return soft_of(vcpu).cpu().translate(vcpu.vcpu, gva, access);
}

void SoftMachine::set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) {
  std::span<std::byte> page;
  if (frame) page = memory_.host(Maddr{frame->v << kPageShift}, kPageSize);
  soft_of({dom, VcpuId{0}}).guest().set_mapping(gfn, page, writable);
}

void SoftMachine::shutdown(DomId dom, xen::ShutdownReason reason) {
  Machine::shutdown(dom, soft_of({dom, VcpuId{0}}).guest().crashed() ? xen::ShutdownReason::kCrash : reason);
}

void SoftMachine::start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) {
  soft_of(vcpu).guest().start_vcpu(vcpu.vcpu, start);
}

void SoftMachine::preempt(Actor& actor) { soft_of(actor.info.vcpu).preempt(actor.info.vcpu.vcpu); }
void SoftMachine::end_turn(VcpuRef vcpu) { soft_of(vcpu).cpu().request_stop(); }
void SoftMachine::inject_nmi(VcpuRef vcpu) { soft_of(vcpu).cpu().raise_nmi(vcpu.vcpu); }
void SoftMachine::assert_lapic_vector(VcpuRef vcpu, uint8_t vector) {
  soft_of(vcpu).guest().assert_vector(vcpu.vcpu, vector);
  soft_of(vcpu).hinted(vcpu.vcpu);
}
bool SoftMachine::lapic_enabled(VcpuRef vcpu) { return soft_of(vcpu).guest().lapic_enabled(vcpu.vcpu); }

}  // namespace xensim::sim
