// CoreInspector on a Hypervisor: reads of the core's state for reports and invariants, while nobody is inside it.
#pragma once

#include "models/xen/api/core.h"
#include "models/xen/clock_invariants.h"
#include "models/xen/hypervisor.h"

namespace xensim::xen {

// Borrows the hypervisor. Memory is read through Platform::peek.
class Inspector final : public CoreInspector {
 public:
  explicit Inspector(Hypervisor& hypervisor) : hv_(hypervisor) {}

  std::vector<LostEvent> lost_events() const override;
  std::vector<std::string> broken_invariants() const override;
  std::string describe_port(DomId dom, Port port) const override;
  std::string describe_vcpu(VcpuRef vcpu) const override;
  bool upcall_pending(VcpuRef vcpu) const override;
  bool upcall_taken(DomId dom) const override;
  bool halt_unmasks(VcpuRef vcpu) const override;

 private:
  Hypervisor& hv_;
  mutable ClockInvariants clocks_;
  mutable uint32_t times_restored_ = 0;  // of the hypervisor whose clocks these are
};

}  // namespace xensim::xen
