// The whole machine into a snapshot and out of one.
#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

namespace {

// Far beyond any run, and far from overflow.
constexpr uint64_t kMostTime = uint64_t{1} << 62;

class NoSink final : public traces::EventSink {
 public:
  void consume(traces::ByteView, uint32_t) override {}
};

}  // namespace

void Machine::take_snapshot() {
  XS_CHECK(can_be_saved() && !exploring() && !actors_.anyone_inside());
  plain_.set_saved();
  Snapshot snapshot;
  snapshot.time = context_.time;
  StateWriter ar;
  uint64_t allocated = memory_.allocated();
  ar("allocated", allocated);
  ar("time", context_.time);
  fields(ar);
  snapshot.machine = std::move(ar.out);
  snapshot.core = core_.state->save();
  snapshot.memory = pack_pages(memory_.host(Maddr{0}, memory_.allocated()));
  if (options_.on_snapshot && options_.on_snapshot(std::move(snapshot))) return;
  finished_ = true;
  outcome_.saved = true;
}

// Does the core have the machine's domains, and no others?
bool Machine::has_core_of_guests() const {
  std::vector<bool> there(domains_.size());
  for (const auto& [id, vcpus] : core_.state->domains()) {
    if (id.v < 1 || id.v > domains_.size() || vcpus != domains_[id.v - 1].vcpus.size()) return false;
    there[id.v - 1] = true;
  }
  return std::find(there.begin(), there.end(), false) == there.end();
}

// Memory and hardware first: the core's state is checked against both, and announced to them.
Status Machine::restore(const Snapshot& snapshot) {
  XS_CHECK(can_be_saved());
  const auto refuse = [&](const std::string& why) { return input_error(fmt::format("{}: {}", snapshot.name, why)); };
  NoSink nowhere;
  if (writer_) writer_.emplace(context_, nowhere);

  StateReader ar(snapshot.machine);
  const auto refuse_field = [&] {
    return refuse(fmt::format("machine state, at byte {}: {}", snapshot.machine.size() - ar.left(), ar.why()));
  };
  uint64_t allocated = 0;
  ar("allocated", allocated);
  if (allocated < memory_.allocated() || allocated > memory_.size() || allocated % kPageSize != 0) {
    ar.fail(fmt::format("allocated is {:#x}, which this machine's memory cannot be", allocated));
  }
  // Needed now: the core's clocks are checked against it.
  ar.below("time", context_.time, kMostTime);
  if (!ar.ok()) return refuse_field();
  if (context_.time != snapshot.time) return refuse("it was made at another time than it says");
  memory_.allocate(allocated - memory_.allocated());
  if (const Status pages = unpack_pages(snapshot.memory, memory_.host(Maddr{0}, allocated)); !pages) {
    return refuse(pages.error().message);
  }
  backend_.make_guests();
  const auto core = core_.state->restore(snapshot.core, context_.time);
  if (!core) return refuse(core.error().message);
  if (!has_core_of_guests()) return refuse("the core's state has other domains than the scenario");
  core_.state->announce({});
  // What the core said until here belongs in no trace.
  if (writer_) writer_.emplace(context_, *options_.sink);
  fields(ar);
  if (!ar.ok()) return refuse_field();
  if (ar.left() != 0) return refuse("machine state: there is more than a machine");
  return {};
}

}  // namespace xensim::sim
