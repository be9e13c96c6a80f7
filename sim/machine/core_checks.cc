// The core in the middle of a run: saved, thrown away, made anew and restored. The run must go on as if nothing had
// been.
#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

void Machine::check_invariants(bool at_end) {
  if (!at_end && actors_.anyone_inside()) return;  // what it is about to do is not done yet
  for (const auto& invariant : invariants_) {
    const auto broken = at_end ? invariant->at_end(*core_.inspector) : invariant->at_step(*core_.inspector);
    if (broken) fail(broken->kind, broken->message, broken->where);
  }
}

void Machine::round_trip_core() {
  if (actors_.anyone_inside()) return;  // half of its call is on its stack
  const std::vector<std::byte> bytes = core_.state->save();
  const std::string dump = core_.state->dump();
  recording_core_.reset();
  xen::Platform* const platform =
      recording_platform_ ? static_cast<xen::Platform*>(&*recording_platform_) : static_cast<xen::Platform*>(this);
  core_ = xen::make_core(*platform, flavour_);
  const auto restored = core_.state->restore(bytes, context_.time);
  XS_CHECK_MSG(restored.has_value(), restored ? "" : restored.error().message);
  XS_CHECK_MSG(core_.state->dump() == dump, "a restored core differs from the one that was saved");
  api_ = core_.api.get();
  if (writer_) api_ = &recording_core_.emplace(*api_, *writer_);
}

}  // namespace xensim::sim
