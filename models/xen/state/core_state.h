// CoreState on a Hypervisor.
#pragma once

#include "models/xen/api/core.h"
#include "models/xen/state/save.h"

namespace xensim::xen {

// Borrows the hypervisor.
class HypervisorState final : public CoreState {
 public:
  explicit HypervisorState(Hypervisor& hypervisor) : hv_(hypervisor) {}

  std::vector<std::byte> save(const Timers& timers) override { return save_state(hv_, timers); }
  Result<Timers> restore(std::span<const std::byte> bytes, VirtualNs now) override {
    return restore_state(hv_, bytes, now);
  }
  void announce(const Timers& timers) override { announce_state(hv_, timers); }
  std::string dump() override { return dump_state(hv_); }
  std::vector<std::pair<DomId, uint32_t>> domains() override {
    std::vector<std::pair<DomId, uint32_t>> domains;
    for (const auto& domain : hv_.domains()) domains.emplace_back(domain->id(), domain->vcpu_count());
    return domains;
  }

 private:
  Hypervisor& hv_;
};

}  // namespace xensim::xen
