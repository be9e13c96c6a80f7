// The machine's invariants, each asked of a core that breaks it: what it says, of which kind, and when it says nothing.
#include "sim/machine/invariants/invariants.h"

#include <doctest/doctest.h>

namespace xensim::sim {
namespace {

// A core of which the test says what is wrong.
class Inspected final : public xen::CoreInspector {
 public:
  std::vector<xen::LostEvent> lost_events() const override { return lost; }
  std::vector<std::string> broken_invariants() const override { return broken; }
  std::string describe_port(DomId, Port) const override { return {}; }
  std::string describe_vcpu(VcpuRef) const override { return {}; }
  bool upcall_pending(VcpuRef) const override { return false; }
  bool upcall_taken(DomId) const override { return false; }
  bool halt_unmasks(VcpuRef) const override { return false; }

  std::vector<xen::LostEvent> lost;
  std::vector<std::string> broken;
};

xen::LostEvent event(uint32_t port, bool settled) {
  return {{DomId{1}, VcpuId{2}}, Port{port}, "nobody told it", settled};
}

TEST_CASE("a broken invariant of the core's data is one of the machine, after a turn and at the end") {
  Inspected core;
  const auto invariant = make_core_data_invariant();
  CHECK_FALSE(invariant->at_step(core).has_value());
  CHECK_FALSE(invariant->at_end(core).has_value());
  core.broken = {"d1: maptrack handle 3 is lost", "d1: something else"};
  for (const auto& found : {invariant->at_step(core), invariant->at_end(core)}) {
    REQUIRE(found.has_value());
    CHECK(found->kind == FailureKind::kInvariant);
    CHECK(found->message == "d1: maptrack handle 3 is lost");
    CHECK(found->where.empty());
  }
}

TEST_CASE("a lost event is one that nobody will look at any more, and none at the end") {
  Inspected core;
  const auto invariant = make_no_lost_event_invariant();
  CHECK_FALSE(invariant->at_step(core).has_value());
  core.lost = {event(4, false)};
  CHECK_FALSE(invariant->at_step(core).has_value());  // another vCPU may still wake it
  core.lost = {event(4, false), event(5, true)};
  const auto found = invariant->at_step(core);
  REQUIRE(found.has_value());
  CHECK(found->kind == FailureKind::kLostEvent);
  CHECK(found->message == "d1v2: event on port 5 is lost: nobody told it");
  CHECK(found->where == "d1v2 port 5");
  CHECK_FALSE(invariant->at_end(core).has_value());
}

TEST_CASE("every run has both") {
  Inspected core;
  core.broken = {"broken"};
  core.lost = {event(5, true)};
  std::vector<FailureKind> kinds;
  for (const auto& invariant : make_invariants()) {
    const auto found = invariant->at_step(core);
    REQUIRE(found.has_value());
    kinds.push_back(found->kind);
  }
  CHECK(kinds == std::vector{FailureKind::kInvariant, FailureKind::kLostEvent});
}

}  // namespace
}  // namespace xensim::sim
