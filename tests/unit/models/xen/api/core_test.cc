// Domains, lock order, flavours, sites and reports.
#include <doctest/doctest.h>

#include <set>

#include "models/xen/locks.h"
#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

using xen::Lock;
using xen::LockGuard;
using xen::LockRank;
using xen::Site;

TEST_CASE("domains out of range are refused with what is allowed") {
  FakePlatform platform;
  const xen::CoreInstance core = xen::make_core(platform, {});
  const auto create = [&](auto change) {
    xen::DomainConfig config;
    config.id = DomId{1};
    change(config);
    return core.api->create_domain(config);
  };
  CHECK(create([](auto& c) { c.vcpus = 0; }).error().message == "domain 1: vcpus is 0, allowed are 1 to 128");
  CHECK_FALSE(create([](auto& c) { c.vcpus = 129; }).has_value());
  CHECK_FALSE(create([](auto& c) { c.id = DomId{DOMID_SELF}; }).has_value());
  CHECK_FALSE(create([](auto& c) { c.reserved_ports = 17; }).has_value());
  CHECK_FALSE(create([](auto& c) { c.max_event_channels = 1; }).has_value());
  CHECK_FALSE(create([](auto& c) { c.ram = {{Gpa{8}, 4096, Maddr{0}}}; }).has_value());
  CHECK(create([](auto& c) { c.vcpus = 128; }).has_value());
  CHECK(create([](auto&) {}).error().message == "domain 1 exists already");
  CHECK(core.api->is_runnable({DomId{1}, VcpuId{0}}));
  CHECK_FALSE(core.api->is_runnable({DomId{1}, VcpuId{127}}));
}

TEST_CASE("locks: a wrong order is a broken promise of ours") {
  FakePlatform platform;
  xen::LockContext context(platform);
  Lock event(LockRank::kEvent, Site::kEventLock, DomId{1});
  Lock other_event(LockRank::kEvent, Site::kEventLock, DomId{2});
  Lock channel(LockRank::kChannel, Site::kChannelLock, DomId{1}, 4);
  Lock lower_channel(LockRank::kChannel, Site::kChannelLock, DomId{1}, 3);
  {
    LockGuard a(context, event);
    LockGuard b(context, other_event);
    LockGuard c(context, channel);
    CHECK_THROWS_AS(LockGuard(context, lower_channel), CheckFailure);
    CHECK_THROWS_AS(LockGuard(context, event), CheckFailure);
  }
  CHECK(context.held.empty());
  LockGuard c(context, channel);
  CHECK_THROWS_AS(LockGuard(context, event), CheckFailure);
}

TEST_CASE("locks may be given back in any order") {
  FakePlatform platform;
  xen::LockContext context(platform);
  Lock event(LockRank::kEvent, Site::kEventLock, DomId{1});
  Lock channel(LockRank::kChannel, Site::kChannelLock, DomId{1}, 4);
  auto a = std::make_unique<LockGuard>(context, event);
  auto b = std::make_unique<LockGuard>(context, channel);
  a.reset();
  CHECK_THROWS_AS(LockGuard(context, event), CheckFailure);
  b.reset();
  CHECK(context.held.empty());
  CHECK(event.state().word.load() == 0);
}

TEST_CASE("every site has a name of its own") {
  std::set<std::string> names;
  for (unsigned i = 0; i < static_cast<unsigned>(Site::kCount); ++i) {
    CHECK(names.insert(xen::site_name(static_cast<Site>(i))).second);
  }
}

TEST_CASE("reports of ports and vCPUs") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  guest.send(port);
  const xen::CoreInspector& inspector = *guest.core.inspector;
  CHECK(inspector.describe_port(Guest::kDom, Port{port}) == "port 3: ipi, vCPU 1, pending, masked");
  CHECK(inspector.describe_port(Guest::kDom, Port{1}) ==
        "port 1: interdomain with domain 0 port 1, vCPU 0, not pending, unmasked");
  CHECK(inspector.describe_port(Guest::kDom, Port{900}) == "port 900: never allocated");
  CHECK(inspector.describe_port(DomId{77}, Port{1}) == "domain 77 does not exist");
  CHECK(inspector.describe_vcpu(Guest::vcpu(1)) == "d5v1: down, upcall not pending, selector 0x0");
  CHECK(inspector.describe_vcpu(Guest::vcpu(9)) == "d5v9 does not exist");
}

TEST_CASE("an event that a guest unmasks by hand after it came is lost, and reported") {
  Guest guest(2);
  guest.core.api->wake(Guest::vcpu(1), true);
  const uint32_t port = guest.bind_ipi(1);
  guest.mask(port);
  guest.send(port);
  guest.platform.poke<uint64_t>(Guest::kSharedInfo + offsetof(shared_info, evtchn_mask), 0);
  CHECK(guest.core.inspector->lost_events().empty());  // the vCPU is awake and may still look
  guest.core.api->halt(Guest::vcpu(1), true);
  const auto lost = guest.core.inspector->lost_events();
  REQUIRE(lost.size() == 1);
  CHECK(lost[0].vcpu == Guest::vcpu(1));
  CHECK(lost[0].port == Port{port});
}

}  // namespace
}  // namespace xensim
