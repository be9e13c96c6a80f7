// SoftMachine: runs guests on the software CPU. One SoftDomain a guest: its engine, local APICs, devices.
//
// The engine's stack is never left in the middle: a hypercall runs on its actor's own fiber, started inside the
// engine's hook; where the scheduler cuts it, the hook stops the engine, and the fiber goes on when its turn comes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/x86/engine/host_frames.h"
#include "sim/machine/backend_host.h"

namespace xensim::sim {

class SoftDomain;

class SoftMachine final : public Machine, private Backend {
 public:
  // `restored`: each run goes on from a snapshot, none begins; a kernel is not unpacked then. kInput: an image that
  // cannot be loaded. kEnvironment: no usable engine.
  static Result<std::unique_ptr<SoftMachine>> make(const Scenario& scenario, const xen::Flavour& flavour,
                                                   bool restored = false);
  ~SoftMachine() override;

  void reset(const MachineOptions& options) override;
  // As a trace's header names it: "unicorn 2.1.4".
  static std::string engine_version();
  // Why this process uses its engine plainly though EngineKind::kFast is asked for; empty: it does not.
  static std::string why_engine_is_plain();

 private:
  SoftMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory, bool restored);
  SoftDomain& soft_of(VcpuRef vcpu);

  // Backend
  void start_guests() override;
  bool can_save_guests() const override { return true; }
  void make_guests() override;
  void guest_fields(StateArchive& ar) override;
  void run_vcpu(Actor& actor) override;
  void finish_entry(Actor& actor) override;
  void interrupt_hint(VcpuRef vcpu) override;
  void apic_timer_due(VcpuRef vcpu) override;
  void domain_ended(Domain& domain) override;
  void device_timer_due(DomId dom, uint32_t timer) override;
  bool has_device_timer(const Domain& domain, uint32_t timer) const override;
  bool serve_outside(DomId dom, Port port) override;
  void take_input(Domain& domain, std::string_view text) override;
  void preempt(Actor& actor) override;
  void end_turn(VcpuRef vcpu) override;
  void deadline_moved() override;
  void runnable_changed(Actor& actor) override;
  uint64_t total_instructions() const override;
  std::string vcpu_report(const Actor& actor) const override;

  // Platform
  void store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) override;
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override;
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override;
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override;
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, xensim::Access access) override;
  void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) override;
  void start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) override;
  void inject_nmi(VcpuRef vcpu) override;
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override;
  bool lapic_enabled(VcpuRef vcpu) override;
  void set_gsi(DomId dom, uint32_t gsi, bool level) override;
  void shutdown(DomId dom, xen::ShutdownReason reason) override;

  const bool restored_;
  x86::HostFrames frames_;
  std::vector<std::unique_ptr<SoftDomain>> soft_;  // by domain index
};

}  // namespace xensim::sim
