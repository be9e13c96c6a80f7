// PlainTurns and SoftResets: turns of actors that no machine runs.
#include "sim/machine/plain_turns.h"

#include <doctest/doctest.h>

#include "sim/machine/soft_resets.h"

using namespace xensim;
using namespace xensim::sim;

namespace {

// The machine, then three vCPUs that can run.
struct Fixture {
  Fixture() {
    actors.add({ActorKind::kMachine, {}, "machine"}, "machine").core_runnable = true;
    for (uint32_t v = 0; v < 3; ++v) {
      actors.set_runnable(actors.add({ActorKind::kVcpu, {DomId{1}, VcpuId{v}}, "guest"}, "vcpu"), true);
    }
  }
  Actors actors;
  PlainTurns plain;
};

TEST_CASE_FIXTURE(Fixture, "vCPUs that can run take turns, round and round") {
  CHECK(plain.next_vcpu(actors)->id == 1);
  CHECK(plain.next_vcpu(actors)->id == 2);
  actors.set_runnable(actors[3], false);
  CHECK(plain.next_vcpu(actors)->id == 1);
  for (const unsigned id : {1u, 2u}) actors.set_runnable(actors[id], false);
  CHECK(plain.next_vcpu(actors) == nullptr);
  actors.set_runnable(actors[3], true);
  CHECK(plain.next_vcpu(actors)->id == 3);
}

TEST_CASE_FIXTURE(Fixture, "what was recorded comes in its turn, once") {
  const std::vector<ConsoleInput> recorded{
      {VirtualNs{0}, DomId{1}, "a", 1}, {VirtualNs{0}, DomId{1}, "b", 1}, {VirtualNs{0}, DomId{1}, "c", 3}};
  std::string typed;
  for (unsigned turn = 1; turn <= 4; ++turn) {
    plain.begin_turn();
    CHECK(plain.turns() == turn);
    while (const ConsoleInput* const input = plain.next_input(recorded)) typed += input->text;
    typed += '.';
    CHECK(plain.has_input_left(recorded) == (turn < 3));
  }
  CHECK(typed == "ab..c..");
}

TEST_CASE_FIXTURE(Fixture, "the processor is taken from one that could go on") {
  CHECK(plain.take_processor(actors[1]) == nullptr);
  CHECK(plain.take_processor(actors[1]) == nullptr);
  CHECK(plain.take_processor(actors[2]) == &actors[1]);
  actors.set_runnable(actors[2], false);
  CHECK(plain.take_processor(actors[3]) == nullptr);
  actors[3].in_entry = true;
  CHECK(plain.take_processor(actors[1]) == nullptr);
}

TEST_CASE("a run is saved once, at its time or at its line") {
  PlainTurns plain;
  const SnapshotPoint at_time{VirtualNs{10}};
  CHECK_FALSE(plain.snapshot_is_due(at_time, VirtualNs{9}));
  CHECK(plain.snapshot_is_due(at_time, VirtualNs{10}));
  CHECK_FALSE(plain.see_line(at_time, "$ "));
  const SnapshotPoint at_prompt{{}, [](std::string_view line) { return line == "$ "; }};
  CHECK_FALSE(plain.see_line(at_prompt, "hello"));
  CHECK_FALSE(plain.snapshot_is_due(at_prompt, VirtualNs{10}));
  CHECK(plain.see_line(at_prompt, "$ "));
  CHECK(plain.snapshot_is_due(at_prompt, VirtualNs{10}));
  plain.set_saved();
  CHECK_FALSE(plain.snapshot_is_due(at_prompt, VirtualNs{10}));
  CHECK_FALSE(plain.see_line(at_prompt, "$ "));
  CHECK_FALSE(plain.snapshot_is_due(at_time, VirtualNs{10}));
}

TEST_CASE_FIXTURE(Fixture, "turns are saved and restored") {
  plain.begin_turn();
  plain.next_vcpu(actors);
  plain.take_processor(actors[1]);
  StateWriter writer;
  plain.fields(writer, actors, 0);
  plain.processor_field(writer, actors);
  StateReader reader(writer.out);
  PlainTurns restored;
  restored.fields(reader, actors, 0);
  restored.processor_field(reader, actors);
  CHECK(reader.ok());
  CHECK(restored.turns() == 1);
  CHECK(restored.next_vcpu(actors)->id == 2);
  CHECK(restored.take_processor(actors[2]) == &actors[1]);
}

TEST_CASE_FIXTURE(Fixture, "a soft reset waits until nobody is inside the core") {
  std::vector<Domain> domains(2);
  domains[0].vcpus = {1, 2};
  domains[1].vcpus = {3};
  SoftResets resets(actors);
  actors[2].in_entry = true;
  resets.pause(domains[0]);
  CHECK(resets.any());
  CHECK(actors.runnable() == 0b1100);  // what is inside goes on, another domain too
  unsigned made = 0;
  const auto reset = [&](Domain& domain) {
    CHECK(&domain == &domains[0]);
    ++made;
  };
  resets.finish(domains, reset);
  CHECK(made == 0);
  CHECK(resets.any());
  actors[2].in_entry = false;
  resets.finish(domains, reset);
  CHECK(made == 1);
  CHECK_FALSE(resets.any());
  CHECK_FALSE(domains[0].resetting);
  CHECK(actors[1].can_run());
  CHECK(actors[2].can_run());
}

}  // namespace
