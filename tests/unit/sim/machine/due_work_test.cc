// DueWork: from the queue to the two actors, without a machine.
#include "sim/machine/due_work.h"

#include <doctest/doctest.h>

using namespace xensim;
using namespace xensim::sim;

namespace {

constexpr DomId kDom{1};
constexpr Port kPort{5};

xen::TimerId timer(uint32_t vcpu) { return {xen::TimerKind::kSingleshot, {kDom, VcpuId{vcpu}}}; }
DueId due_timer(uint32_t vcpu) { return {DueKind::kXenTimer, timer(vcpu), 0}; }

Scenario scenario_of_two_vcpus() {
  Scenario scenario;
  scenario.guests.emplace_back().vcpus = 2;
  scenario.events = {{VirtualNs{20}, kDom, kPort}};
  scenario.inputs = {{VirtualNs{30}, kDom, "typed", 0}};
  return scenario;
}

struct Fixture {
  Fixture() { due.make_actors(); }
  const Scenario scenario = scenario_of_two_vcpus();
  Actors actors;
  DueWork due{actors, scenario};
};

TEST_CASE_FIXTURE(Fixture, "what is due becomes the work of the actor that brings it") {
  due.arm_scenario();
  due.arm(due_timer(1), VirtualNs{10});
  CHECK(due.next() == VirtualNs{10});
  CHECK_FALSE(due.take(VirtualNs{9}));
  CHECK_FALSE(due.has_work());

  CHECK(due.take(VirtualNs{25})->kind == DueKind::kXenTimer);
  CHECK(due.timers().can_run());
  CHECK_FALSE(due.outside().can_run());
  CHECK(due.take(VirtualNs{25})->kind == DueKind::kExternal);
  CHECK(due.outside().can_run());
  CHECK(actors.runnable() == 0b11);
  CHECK_FALSE(due.take(VirtualNs{25}));

  CHECK(due.next_timer() == timer(1));
  CHECK_FALSE(due.next_timer());
  CHECK(due.next_external() == 0u);
  CHECK_FALSE(due.next_external());
}

TEST_CASE_FIXTURE(Fixture, "what is no work of an actor is for the caller") {
  due.arm_scenario();
  due.cancel({DueKind::kExternal, {}, 0});
  const auto input = due.take(VirtualNs{30});
  REQUIRE(input);
  CHECK(input->kind == DueKind::kInput);
  CHECK_FALSE(due.has_work());
  CHECK_FALSE(due.anything_later());
}

TEST_CASE_FIXTURE(Fixture, "a timer that is cancelled does not come, even where its time has") {
  due.arm(due_timer(0), VirtualNs{10});
  due.arm(due_timer(1), VirtualNs{10});
  while (due.take(VirtualNs{10})) {
  }
  due.cancel_timer(timer(0));
  CHECK(due.next_timer() == timer(1));
  CHECK_FALSE(due.next_timer());
  due.arm(due_timer(0), VirtualNs{20});
  due.cancel_timer(timer(0));
  CHECK_FALSE(due.anything_later());
}

TEST_CASE_FIXTURE(Fixture, "a guest's notification counts once until it is served") {
  CHECK(due.guest_notified(kDom, kPort));
  CHECK_FALSE(due.guest_notified(kDom, kPort));
  CHECK(due.guest_notified(kDom, Port{6}));
  CHECK(due.has_work());
  CHECK(due.next_notified() == DueWork::DomainPort{kDom, kPort});
  CHECK(due.guest_notified(kDom, kPort));
  CHECK(due.next_notified() == DueWork::DomainPort{kDom, Port{6}});
  CHECK(due.next_notified() == DueWork::DomainPort{kDom, kPort});
  CHECK_FALSE(due.next_notified());
  due.notify_guest(kDom, kPort);
  CHECK(due.next_notice() == DueWork::DomainPort{kDom, kPort});
  CHECK_FALSE(due.next_notice());
}

// What `before` holds, in `due`, which has none of it.
std::string restore(DueWork& before, DueWork& due) {
  const auto no_device = [](DomId, uint32_t number) { return number == 256; };
  StateWriter writer;
  before.fields(writer, no_device);
  StateReader reader(writer.out);
  due.fields(reader, no_device);
  if (reader.ok()) CHECK(reader.left() == 0);
  return reader.why();
}

TEST_CASE_FIXTURE(Fixture, "it is saved and restored in the same order") {
  due.arm(due_timer(1), VirtualNs{10});
  due.arm(due_timer(0), VirtualNs{10});
  due.arm({DueKind::kDevice, timer(0), 256}, VirtualNs{40});
  due.arm({DueKind::kExternal, {}, 0}, VirtualNs{5});
  due.take(VirtualNs{5});
  due.guest_notified(kDom, kPort);
  due.notify_guest(kDom, Port{7});

  Fixture restored;
  CHECK(restore(due, restored.due) == "");
  CHECK(restored.due.take(VirtualNs{10}) == due_timer(1));
  CHECK(restored.due.take(VirtualNs{10}) == due_timer(0));
  CHECK(restored.due.next() == VirtualNs{40});
  CHECK(restored.due.next_external() == 0u);
  CHECK(restored.due.next_notified() == DueWork::DomainPort{kDom, kPort});
  CHECK(restored.due.next_notice() == DueWork::DomainPort{kDom, Port{7}});
  restored.due.reset();
  CHECK_FALSE(restored.due.anything_later());
  CHECK_FALSE(restored.due.next_timer());
}

TEST_CASE_FIXTURE(Fixture, "what there is not is refused") {
  struct Case {
    DueId id;
    const char* why;
  };
  const Case cases[] = {
      {due_timer(2), "a timer is of a vCPU that there is not"},
      {{DueKind::kApicTimer, {xen::TimerKind::kSingleshot, {DomId{2}, VcpuId{0}}}, 0},
       "a timer is of a vCPU that there is not"},
      {{DueKind::kDevice, timer(0), 257}, "a timer is of a device that there is not"},
  };
  for (const Case& each : cases) {
    Fixture wrong, restored;
    wrong.due.arm(each.id, VirtualNs{1});
    CHECK(restore(wrong.due, restored.due) == each.why);
  }
  for (const DueKind kind : {DueKind::kExternal, DueKind::kInput}) {
    Fixture wrong, restored;
    wrong.due.arm({kind, {}, 1}, VirtualNs{1});
    CHECK(restore(wrong.due, restored.due) != "");
  }
  Fixture wrong, restored;
  wrong.due.notify_guest(DomId{2}, kPort);
  CHECK(restore(wrong.due, restored.due) == "a notification is for no guest");
}

}  // namespace
