// Domains that end or are reset while others have their pages: no mapping dangles, and every pin comes back.
#include <doctest/doctest.h>

#include "models/xen/api/host_backend.h"
#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kHost = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;

struct EndGuests : TwoGuests {
  EndGuests() : TwoGuests({}, 1024, Host::kB), host(*core.api, kHost) {}
  xen::HostBackend host;
};

TEST_CASE("a dead domain's page stays mapped until it is unmapped, then the domain is gone") {
  EndGuests guests;
  guests.grant(kA, 8, kHost, 7);
  const uint32_t handle = guests.map(kHost, kA, 8, kPlace).handle;
  const auto outside = guests.host.map(kA, GrantRef{8}, true);
  REQUIRE(outside.status == GNTST_okay);
  CHECK(guests.host.destroy(kA) == 0);
  CHECK(guests.mapping(kHost, kPlace) == Mfn{7});
  CHECK(guests.platform.released.empty());
  CHECK_FALSE(guests.core.api->is_runnable({kA, VcpuId{0}}));
  CHECK(guests.broken().empty());
  // What is pinned may be mapped once more; nothing else of it can be.
  guests.grant(kA, 9, kHost, 9);
  CHECK(guests.map(kHost, kA, 9, kPlace + 1).status == GNTST_bad_page);
  const gnttab_map_grant_ref again = guests.map(kHost, kA, 8, kPlace + 1);
  CHECK(again.status == GNTST_okay);
  std::array<std::byte, 8> bytes{};
  CHECK(guests.host.copy_from(kA, GrantRef{8}, 0, bytes) == GNTST_bad_domain);
  CHECK(guests.unmap(kHost, again.handle, kPlace + 1) == GNTST_okay);
  CHECK(guests.unmap(kHost, handle, kPlace) == GNTST_okay);
  CHECK(guests.platform.released.empty());
  CHECK(guests.host.unmap(outside.handle) == GNTST_okay);
  CHECK(guests.platform.released == std::vector{kA});
  CHECK(guests.host.map(kA, GrantRef{8}, true).status == GNTST_bad_domain);
  CHECK(guests.host.destroy(kA) == -XEN_ESRCH);
  CHECK(guests.broken().empty());
}

TEST_CASE("a domain that nobody has a page of is gone at once, and its id can be used again") {
  EndGuests guests;
  CHECK(guests.host.destroy(kA) == 0);
  CHECK(guests.platform.released == std::vector{kA});
  xen::DomainConfig config;
  config.id = kA;
  config.ram = {{Gpa{0}, TwoGuests::kRam, Maddr{0}}};
  CHECK(guests.core.api->create_domain(config).has_value());
  CHECK(guests.core.api->is_runnable({kA, VcpuId{0}}));
  CHECK(guests.broken().empty());
}

TEST_CASE("what a dead domain had mapped is given back") {
  EndGuests guests;
  guests.grant(kHost, 8, kA, 7);
  for (unsigned i = 0; i < 5; ++i) CHECK(guests.map(kA, kHost, 8, kPlace + i).status == GNTST_okay);
  CHECK(guests.host.destroy(kA) == 0);
  CHECK(guests.entry(kHost, 8).flags == GTF_permit_access);
  CHECK(guests.platform.released == std::vector{kA});
  CHECK(guests.broken().empty());
}

TEST_CASE("two domains that hold pages of each other and die, in either order") {
  for (const bool a_first : {true, false}) {
    CAPTURE(a_first);
    EndGuests guests;
    guests.grant(kHost, 8, kA, 7);
    guests.grant(kA, 8, kHost, 7);
    REQUIRE(guests.map(kA, kHost, 8, kPlace).status == GNTST_okay);
    REQUIRE(guests.map(kHost, kA, 8, kPlace).status == GNTST_okay);
    CHECK(guests.host.destroy(a_first ? kA : kHost) == 0);
    CHECK(guests.broken().empty());
    if (!a_first) continue;
    CHECK(guests.host.destroy(kHost) == 0);
    CHECK(guests.platform.released == std::vector{kA, kHost});
    CHECK(guests.broken().empty());
  }
}

TEST_CASE("ports of a dead domain: its peer's wait for another, and its timers are silent") {
  EndGuests guests;
  evtchn_alloc_unbound unbound{};
  unbound.dom = DOMID_SELF;
  unbound.remote_dom = kHost.v;
  guests.poke(kA, TwoGuests::kArgument, unbound);
  REQUIRE(guests.call(kA, __HYPERVISOR_event_channel_op, {EVTCHNOP_alloc_unbound, TwoGuests::kArgument}) == 0);
  const Port remote{guests.peek<evtchn_alloc_unbound>(kA, TwoGuests::kArgument).port};
  const int64_t port = guests.host.bind(kA, remote);
  REQUIRE(port > 0);
  CHECK(guests.host.destroy(kA) == 0);
  CHECK(guests.host.notify(Port{static_cast<uint32_t>(port)}) == 0);  // into the void, as Xen has it
  guests.core.api->timer_expired({xen::TimerKind::kSingleshot, {kA, VcpuId{0}}});
  CHECK(guests.core.api->external_event(kA, remote) == -XEN_ESRCH);
  CHECK(guests.broken().empty());
}

TEST_CASE("a reset of the event channels under a backend's mapping: it is unmapped as ever (B-Q3)") {
  EndGuests guests;
  guests.grant(kA, 8, kHost, 7);
  const auto mapping = guests.host.map(kA, GrantRef{8}, false);
  evtchn_reset reset{};
  reset.dom = DOMID_SELF;
  guests.poke(kA, TwoGuests::kArgument, reset);
  CHECK(guests.call(kA, __HYPERVISOR_event_channel_op, {EVTCHNOP_reset, TwoGuests::kArgument}) == 0);
  // The new kernel clears its table, while the backend still has the page.
  guests.grant(kA, 8, DomId{0}, 0, 0);
  CHECK(guests.host.unmap(mapping.handle) == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == 0);
  guests.grant(kA, 8, kHost, 9);
  const auto again = guests.host.map(kA, GrantRef{8}, false);
  CHECK(again.at == Maddr{9 * kPageSize});
  CHECK(guests.host.unmap(again.handle) == GNTST_okay);
  CHECK(guests.broken().empty());
}

TEST_CASE("a domain dies at each step of a mapping and of its end: nothing stays pinned") {
  for (unsigned step = 0; step < 40; ++step) {
    CAPTURE(step);
    EndGuests guests;
    guests.grant(kA, 8, kHost, 7);
    unsigned unlocks = 0;
    std::function<void()> die = [&] {
      if (unlocks++ == step) {
        CHECK(guests.host.destroy(kA) == 0);
      } else {
        guests.platform.on_unlock = die;
      }
    };
    guests.platform.on_unlock = die;
    const auto mapping = guests.host.map(kA, GrantRef{8}, false);
    if (mapping.status == GNTST_okay) CHECK(guests.host.unmap(mapping.handle) == GNTST_okay);
    guests.platform.on_unlock = nullptr;
    CHECK(guests.broken().empty());
    if (unlocks > step) CHECK(guests.platform.released == std::vector{kA});
  }
}

TEST_CASE("a mapper ends at each step of its own mapping: the granter's page is free of it") {
  constexpr uint64_t kShutdown = 0x2000;
  for (unsigned step = 0; step < 20; ++step) {
    CAPTURE(step);
    EndGuests guests;
    guests.grant(kHost, 8, kA, 7);
    guests.poke(kA, kShutdown, sched_shutdown{SHUTDOWN_poweroff});
    unsigned unlocks = 0;
    std::function<void()> end = [&] {
      if (unlocks++ == step) {
        guests.call(kA, __HYPERVISOR_sched_op, {SCHEDOP_shutdown, kShutdown}, 1);
      } else {
        guests.platform.on_unlock = end;
      }
    };
    guests.platform.on_unlock = end;
    guests.map(kA, kHost, 8, kPlace);
    guests.platform.on_unlock = nullptr;
    CHECK(guests.broken().empty());
    if (unlocks > step) CHECK(guests.entry(kHost, 8).flags == GTF_permit_access);
  }
}

int64_t event_op(EndGuests& guests, uint64_t op, const auto& argument) {
  guests.poke(kA, TwoGuests::kArgument, argument);
  return guests.call(kA, __HYPERVISOR_event_channel_op, {op, TwoGuests::kArgument});
}

TEST_CASE("a FIFO domain that dies holds none of its pages, be one the machine's first") {
  EndGuests guests;
  const evtchn_init_control first{0, 0, 0, 0, {}};  // machine address 0
  CHECK(event_op(guests, EVTCHNOP_init_control, first) == 0);
  CHECK(event_op(guests, EVTCHNOP_init_control, first) == -XEN_EINVAL);
  CHECK(event_op(guests, EVTCHNOP_init_control, evtchn_init_control{0x20, 0, 1, 0, {}}) == 0);
  CHECK(event_op(guests, EVTCHNOP_expand_array, evtchn_expand_array{0x21}) == 0);
  CHECK(guests.broken().empty());
  CHECK(guests.host.destroy(kA) == 0);
  CHECK(guests.broken().empty());
  CHECK(guests.platform.released == std::vector{kA});
}

}  // namespace
}  // namespace xensim
