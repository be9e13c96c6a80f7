// The core's own data, as it judges it itself (models/xen/inspector.h and what that asks).
#include "sim/machine/invariants/invariants.h"

namespace xensim::sim {

namespace {

class CoreData final : public Invariant {
 public:
  std::optional<BrokenInvariant> at_step(const xen::CoreInspector& core) override {
    auto broken = core.broken_invariants();
    if (broken.empty()) return std::nullopt;
    return BrokenInvariant{FailureKind::kInvariant, std::move(broken.front()), ""};
  }
};

}  // namespace

std::unique_ptr<Invariant> make_core_data_invariant() { return std::make_unique<CoreData>(); }

}  // namespace xensim::sim
