// An event that is pending, unmasked and bound to a vCPU that sleeps must have been announced to it; and nobody sleeps
// on in a poll of a pending port.
#include <fmt/format.h>

#include <algorithm>

#include "sim/machine/invariants/invariants.h"

namespace xensim::sim {

namespace {

class NoLostEvent final : public Invariant {
 public:
  std::optional<BrokenInvariant> at_step(const xen::CoreInspector& core) override {
    const auto lost = core.lost_events();
    const auto settled = std::find_if(lost.begin(), lost.end(), [](const auto& each) { return each.settled; });
    if (settled == lost.end()) return std::nullopt;
    const xen::LostEvent& first = *settled;
    const std::string vcpu = fmt::format("d{}v{}", first.vcpu.dom.v, first.vcpu.vcpu.v);
    return BrokenInvariant{FailureKind::kLostEvent,
                           fmt::format("{}: event on port {} is lost: {}", vcpu, first.port.v, first.why),
                           fmt::format("{} port {}", vcpu, first.port.v)};
  }
  // A guest that ends may leave events behind.
  std::optional<BrokenInvariant> at_end(const xen::CoreInspector&) override { return std::nullopt; }
};

}  // namespace

std::unique_ptr<Invariant> make_no_lost_event_invariant() { return std::make_unique<NoLostEvent>(); }

}  // namespace xensim::sim
