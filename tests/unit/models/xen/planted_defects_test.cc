// Each invariant of the core's own data, with a defect that breaks it: the inspector says that line, and none but it.
// The defects are planted in a restored copy of a machine that has a bit of everything.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <string>
#include <vector>

#include "models/xen/grant_table.h"
#include "models/xen/inspector.h"
#include "models/xen/p2m.h"
#include "models/xen/state/save.h"
#include "tests/unit/models/xen/state/saved_machine.h"

namespace xensim {
namespace {

using xen::Channel;
using xen::Domain;
using xen::Vcpu;

// What defects are planted in: A has channels, a granted page and a timer; B is on the FIFO ABI, has mapped the grant,
// and its vCPU 0 polls.
struct Copy {
  Copy() : hv(machine.platform, {}), inspector(hv) {
    const auto bytes = machine.core.state->save(machine.timers());
    XS_CHECK(xen::restore_state(hv, bytes, machine.platform.now()).has_value());
    // Clocks that have run, so that they can go back.
    for (Domain* domain : {&a(), &b()}) {
      for (uint32_t number = 0; number < domain->vcpu_count(); ++number) run_clock(*domain->vcpu(number));
    }
    XS_CHECK(inspector.broken_invariants().empty());
  }
  static void run_clock(Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS {
    for (uint64_t& time : vcpu.runstate.time_ns) time += 50;
    vcpu.runstate.entry_time_ns += 200;
    vcpu.time_written_ns += 100;
  }

  Domain& a() { return *hv.find_domain(TwoGuests::kA); }
  Domain& b() { return *hv.find_domain(TwoGuests::kB); }
  // The first channel of A in a state, with a peer in another domain where there are peers.
  Channel& channel(xen::ChannelState state) {
    for (uint32_t port = 1; port < a().evtchn.valid_ports.peek(); ++port) {
      Channel& channel = a().evtchn.at(port);
      if (channel.state == state && (channel.remote != nullptr || state != xen::ChannelState::kInterdomain))
        return channel;
    }
    XS_CHECK(false);
  }
  xen::ActiveEntry& active() XS_NO_THREAD_SAFETY_ANALYSIS { return a().grants().active(9); }
  // A handle of B's that is free, `nth` from the head of vCPU 0's list; the free ones are in order.
  xen::MaptrackEntry& free_handle(uint32_t nth) { return *b().grants().maptrack.find(first_free() + nth); }
  uint32_t first_free() {
    uint32_t handle = 0;
    while (b().grants().maptrack.find(handle)->flags.load() != 0) ++handle;
    return handle;
  }
  uint32_t last_handle() { return b().grants().maptrack.limit() - 1; }

  SavedMachine machine;
  xen::Hypervisor hv;
  xen::Inspector inspector;
};

struct Defect {
  std::string name;
  std::function<void(Copy&)> plant;
  std::vector<std::string> lines;
};

// A fault of a vCPU's clock: of B's vCPU 0, which sleeps, or of A's, which runs.
void in_clock(Copy& copy, bool asleep, const std::function<void(Vcpu&)>& change) {
  change(*(asleep ? copy.b() : copy.a()).vcpu(0));
}

std::vector<Defect> defects() XS_NO_THREAD_SAFETY_ANALYSIS {
  using State = xen::ChannelState;
  return {
      // Channels.
      {"a channel of no vCPU",
       [](Copy& copy) { copy.channel(State::kIpi).notify_vcpu.poke(99); },
       {"domain 5 port 5: bound to a vCPU that does not exist"}},
      {"a VIRQ that is in no table",
       [](Copy& copy) { copy.a().vcpu(1)->virq_port[VIRQ_TIMER].store(0); },
       {"domain 5 port 4: VIRQ that its vCPU does not know of"}},
      {"a peer that has forgotten",
       [](Copy& copy) {
         Channel& mine = copy.channel(State::kInterdomain);
         mine.remote->evtchn.at(mine.remote_port).state = State::kUnbound;
       },
       {"domain 5 port 3: its peer does not know of it"}},
      {"a port too many",
       [](Copy& copy) XS_NO_THREAD_SAFETY_ANALYSIS { ++copy.a().evtchn.active; },
       {"domain 5: 5 ports are open, 6 counted"}},
      // Clocks.
      {"half a wall clock",
       [](Copy& copy) { copy.a().wallclock_version.store(1); },
       {"domain 5: the wall clock was left half written"}},
      {"half a time",
       [](Copy& copy) { copy.a().vcpu(0)->time_version.store(3); },
       {"d5v0: its time was left half written"}},
      {"a runstate that there is not",
       [](Copy& copy) {
         in_clock(copy, true, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS { vcpu.runstate.state = 4; });
       },
       {"d6v0: no such runstate"}},
      {"a sleeper in a running state",
       [](Copy& copy) {
         in_clock(copy, true, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS { vcpu.runstate.state = RUNSTATE_running; });
       },
       {"d6v0: its runstate does not go with whether it may run"}},
      {"a runner in a blocked state",
       [](Copy& copy) {
         in_clock(copy, false, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS { vcpu.runstate.state = RUNSTATE_blocked; });
       },
       {"d5v0: its runstate does not go with whether it may run"}},
      {"times that do not add up",
       [](Copy& copy) {
         in_clock(copy, false, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS { ++vcpu.runstate.entry_time_ns; });
       },
       {"d5v0: its runstate times do not add up to the time of the last change"}},
      {"a runstate time that goes back",
       [](Copy& copy) {
         in_clock(copy, false, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS {
           --vcpu.runstate.time_ns[0];
           ++vcpu.runstate.time_ns[1];
         });
       },
       {"d5v0: a runstate time went back"}},
      // The times add up to it: one of them goes back with it.
      {"an entry time that goes back",
       [](Copy& copy) {
         in_clock(copy, false, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS {
           --vcpu.runstate.time_ns[0];
           --vcpu.runstate.entry_time_ns;
         });
       },
       {"d5v0: its runstate entry time went back", "d5v0: a runstate time went back"}},
      {"a shown time that goes back",
       [](Copy& copy) {
         in_clock(copy, false, [](Vcpu& vcpu) XS_NO_THREAD_SAFETY_ANALYSIS { --vcpu.time_written_ns; });
       },
       {"d5v0: the time that it is shown went back"}},
      // Pins, references.
      {"a pin too many",
       [](Copy& copy) XS_NO_THREAD_SAFETY_ANALYSIS { copy.active().pin += xen::kPinHostRead; },
       {"d5: grant 9 is pinned 0x101 times, mapped 0x1"}},
      {"a mapping without a pin",
       [](Copy& copy) XS_NO_THREAD_SAFETY_ANALYSIS {
         copy.active().pin = 0;
         copy.a().p2m().drop_reference(copy.active().frame);
       },
       {"d5: grant 9 is mapped 0x1 and not pinned"}},
      {"a reference too many",
       [](Copy& copy) XS_NO_THREAD_SAFETY_ANALYSIS { copy.a().p2m().take_reference(copy.active().frame); },
       {"d5: page 0x21 has 2 references, mapped 1 times"}},
      {"a reference too few",
       [](Copy& copy) XS_NO_THREAD_SAFETY_ANALYSIS { copy.a().p2m().drop_reference(copy.active().frame); },
       {"d5: page 0x21 has 0 references, mapped 1 times"}},
      {"a reference to a page that nobody uses",
       [](Copy& copy) { copy.a().p2m().take_reference(Mfn{0x22}); },
       {"d5: a page is referenced that nobody has mapped"}},
      {"the same of a page beyond the first RAM",
       [](Copy& copy) { copy.b().p2m().take_reference(Mfn{0x12345}); },
       {"d6: a page is referenced that nobody has mapped"}},
      {"a copy that never ended",
       [](Copy& copy) { copy.a().grants().v2_operations.store(1); },
       {"d5: 1 copies are counted as under way"}},
      // Maptrack.
      {"a list that bites its tail",
       [](Copy& copy) { copy.b().grants().maptrack.find(copy.last_handle())->ref.store(copy.first_free()); },
       {"d6: maptrack handle 1 is free twice"}},
      {"a free handle in use",
       [](Copy& copy) { copy.free_handle(3).flags.store(GNTMAP_host_map); },
       {"d6: free handle 4 has flags"}},
      {"a handle that fell out of its list",
       [](Copy& copy) { copy.free_handle(3).ref.store(copy.first_free() + 5); },
       {"d6: maptrack handle 5 is lost"}},
  };
}

TEST_CASE("each invariant of the core's data has a defect that breaks it") {
  for (const Defect& defect : defects()) {
    Copy copy;
    defect.plant(copy);
    const auto broken = copy.inspector.broken_invariants();
    std::string all;
    for (const std::string& line : broken) all += line + "\n";
    CHECK_MESSAGE(broken == defect.lines, defect.name, ": ", all);
  }
}

TEST_CASE("a state with a defect is not restored") {
  for (const Defect& defect : defects()) {
    Copy copy;
    defect.plant(copy);
    const bool remembers = defect.lines.front().find("went back") != std::string::npos;
    xen::Hypervisor other(copy.machine.platform, {});
    const auto restored = xen::restore_state(other, xen::save_state(copy.hv, {}), VirtualNs{1'000'000'000});
    // Copies under way and versions are not saved: they are 0 where nobody is inside.
    const bool saved = defect.lines.front().find("copies") == std::string::npos;
    if (remembers || !saved) continue;
    CHECK_MESSAGE(!restored.has_value(), defect.name);
    CHECK_MESSAGE(other.domains().empty(), defect.name);
  }
}

}  // namespace
}  // namespace xensim
