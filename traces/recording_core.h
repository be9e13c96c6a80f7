// RecordingCore: a decorator of CoreApi that writes down each entry with its arguments, and its return with the result.
// What the core asks of the Platform in between is RecordingPlatform's.
#pragma once

#include <optional>

#include "models/xen/api/core_api.h"
#include "traces/event_writer.h"

namespace xensim::traces {

// Borrows both. An entry that ends in an exception has no return in the trace.
class RecordingCore final : public xen::CoreApi {
 public:
  RecordingCore(xen::CoreApi& inner, EventWriter& events) : inner_(inner), events_(events) {}

  Status create_domain(const xen::DomainConfig& config) override;
  void set_hvm_param(DomId dom, uint32_t index, uint64_t value) override;
  uint64_t hypercall(VcpuRef vcpu, const xen::HypercallRegs& regs) override;
  // Not recorded: a replay makes the calls that were made.
  const xen::HypercallRegs* continuation_of(VcpuRef vcpu) override { return inner_.continuation_of(vcpu); }
  bool write_msr(VcpuRef vcpu, uint32_t msr, uint64_t value, bool mode64) override;
  std::optional<uint64_t> read_msr(VcpuRef vcpu, uint32_t msr) override;
  std::optional<xen::XenCpuidResult> cpuid(VcpuRef vcpu, uint32_t leaf, uint32_t subleaf) override;
  void before_halt(VcpuRef vcpu) override;
  void halt(VcpuRef vcpu, bool interrupts_enabled) override;
  void wake(VcpuRef vcpu, bool bring_up) override;
  bool is_runnable(VcpuRef vcpu) override;
  std::optional<xen::PendingUpcall> pending_upcall(VcpuRef vcpu) override;
  void lapic_enabled(VcpuRef vcpu) override;
  void before_run(VcpuRef vcpu) override;
  void timer_expired(xen::TimerId id) override;
  int external_event(DomId dom, Port port) override;
  xen::HostResult host_op(const xen::HostOp& op) override;
  int soft_reset(DomId dom) override;
  void preempted(VcpuRef vcpu) override;

 private:
  xen::CoreApi& inner_;
  EventWriter& events_;
};

// The registers that an event carries.
inline xen::HypercallRegs regs_of(const HypercallBegin& event) {
  return {event.mode64, event.cpl, event.interrupts_enabled, event.nr, event.args};
}

// The RAM ranges of a domain as an event carries them, and back; nullopt: not a whole number of ranges.
std::vector<std::byte> pack_ram(const std::vector<xen::RamRange>& ram);
std::optional<std::vector<xen::RamRange>> unpack_ram(ByteView packed);

}  // namespace xensim::traces
