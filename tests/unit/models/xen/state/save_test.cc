// A core saved and restored: it is the same, it goes on, a fresh Platform is told all, and bytes that are wrong are
// refused.
#include "models/xen/state/save.h"

#include <doctest/doctest.h>

#include "tests/unit/models/xen/state/saved_machine.h"

namespace xensim {
namespace {

TEST_CASE("every field comes back") {
  SavedMachine machine;
  const auto bytes = machine.core.state->save(machine.timers());
  const std::string dump = machine.core.state->dump();
  CHECK(dump.find("pin = 0x1\n") != std::string::npos);
  auto fresh = xen::make_core(machine.platform, {});
  const auto timers = fresh.state->restore(bytes, machine.platform.now());
  REQUIRE(timers.has_value());
  CHECK(*timers == machine.timers());
  CHECK(fresh.state->dump() == dump);
  CHECK(fresh.state->save(*timers) == bytes);
}

TEST_CASE("a restored core goes on: mappings, channels, sleepers and timers live") {
  SavedMachine machine;
  const auto bytes = machine.core.state->save();
  machine.core = xen::make_core(machine.platform, {});
  REQUIRE(machine.core.state->restore(bytes, machine.platform.now()).has_value());
  CHECK(machine.broken().empty());
  CHECK(machine.unmap(SavedMachine::kB, machine.mapped.handle, 0x9000) == GNTST_okay);
  CHECK((machine.entry(SavedMachine::kA, 9).flags & (GTF_reading | GTF_writing)) == 0);
  CHECK_FALSE(machine.core.api->is_runnable({SavedMachine::kB, VcpuId{0}}));
  evtchn_send send{3};  // the channel to B
  CHECK(machine.call_with(SavedMachine::kA, __HYPERVISOR_event_channel_op, EVTCHNOP_send, send) == 0);
  machine.core.api->timer_expired({xen::TimerKind::kPoll, {SavedMachine::kB, VcpuId{0}}});
  CHECK(machine.core.api->is_runnable({SavedMachine::kB, VcpuId{0}}));
  CHECK(machine.broken().empty());
}

TEST_CASE("a Platform that knows nothing is told what it has to know") {
  SavedMachine machine;
  const auto bytes = machine.core.state->save(machine.timers());
  const auto mappings = machine.platform.mappings;
  const auto armed = machine.platform.timers;
  const auto runnable = machine.platform.runnable;
  machine.platform.mappings.clear();
  machine.platform.timers.clear();
  machine.platform.runnable.clear();
  machine.platform.gsis.clear();
  auto fresh = xen::make_core(machine.platform, {});
  const auto timers = fresh.state->restore(bytes, machine.platform.now());
  REQUIRE(timers.has_value());
  CHECK(machine.platform.timers.empty());
  fresh.state->announce(*timers);
  CHECK(machine.platform.mappings == mappings);
  CHECK(machine.platform.timers == armed);
  for (const auto& [vcpu, can_run] : runnable) CHECK(machine.platform.runnable[vcpu] == can_run);
  CHECK(machine.platform.gsis[9]);
}

TEST_CASE("bytes that are cut or changed are refused, and nothing is changed") {
  SavedMachine machine;
  const auto bytes = machine.core.state->save();
  const std::string dump = machine.core.state->dump();
  size_t refused = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    if (!machine.core.state->restore(std::span(bytes).first(length), machine.platform.now())) ++refused;
  }
  CHECK(refused == bytes.size());
  refused = 0;
  auto changed = bytes;
  for (size_t at = 0; at < bytes.size(); ++at) {
    changed[at] ^= std::byte{static_cast<unsigned char>(1u << at % 8)};
    if (!machine.core.state->restore(changed, machine.platform.now())) ++refused;
    changed[at] = bytes[at];
  }
  CHECK(refused == bytes.size());
  CHECK(machine.core.state->dump() == dump);
}

TEST_CASE("changed bytes behind a right checksum are refused, or a state that can be") {
  SavedMachine machine;
  const auto bytes = machine.core.state->save();
  size_t refused = 0;
  for (size_t at = 0; at + 8 < bytes.size(); ++at) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      auto changed = bytes;
      changed[at] ^= static_cast<std::byte>(flip);
      xen::seal_state(changed);
      auto fresh = xen::make_core(machine.platform, {});
      const auto restored = fresh.state->restore(changed, machine.platform.now());
      if (!restored) ++refused;
      CHECK(fresh.inspector->broken_invariants().empty());
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("clocks that are ahead of the machine's are refused") {
  SavedMachine machine;
  machine.platform.time = VirtualNs{5'000'000};
  machine.core.api->before_run({SavedMachine::kA, VcpuId{0}});
  const auto bytes = machine.core.state->save();
  auto fresh = xen::make_core(machine.platform, {});
  const auto early = fresh.state->restore(bytes, VirtualNs{4'999'999});
  REQUIRE_FALSE(early.has_value());
  CHECK(early.error().message == "cannot restore this state: time_written_ns is 5000000, out of range");
  CHECK(fresh.state->restore(bytes, VirtualNs{5'000'000}).has_value());
}

TEST_CASE("another version, another flavour, no state at all") {
  SavedMachine machine;
  auto bytes = machine.core.state->save();
  const auto message = [&](std::span<const std::byte> state, const xen::Flavour& flavour) {
    auto fresh = xen::make_core(machine.platform, flavour);
    const auto restored = fresh.state->restore(state, machine.platform.now());
    return restored ? std::string() : restored.error().message;
  };
  CHECK(message(bytes, *xen::flavour_by_name("kvm")) == "cannot restore this state: it is of another flavour");
  bytes[8] ^= std::byte{0x40};
  CHECK(message(bytes, {}) == "cannot restore this state: its checksum is wrong");
  xen::seal_state(bytes);
  CHECK(message(bytes, {}).starts_with("cannot restore this state: it is of version "));
  CHECK(message({}, {}) == "cannot restore this state: it is too short");
}

}  // namespace
}  // namespace xensim
