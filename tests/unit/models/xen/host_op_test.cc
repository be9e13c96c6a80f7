// The host kernel's side: mappings, copies and events of a backend outside any guest, and what only the host-kernel
// domain may ask of the grant hypercall.
#include <doctest/doctest.h>

#include "models/xen/api/host_backend.h"
#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr DomId kHost = TwoGuests::kB;
constexpr uint64_t kPlace = 0x50000;
constexpr uint32_t kBoth = GNTMAP_host_map | GNTMAP_device_map;

struct HostGuests : TwoGuests {
  HostGuests() : TwoGuests({}, 1024, Host::kB), host(*core.api, kHost) {}

  template <class T>
  int64_t event_op(DomId dom, uint32_t op, T& argument) {
    poke(dom, kArgument, argument);
    const int64_t result = call(dom, __HYPERVISOR_event_channel_op, {op, kArgument});
    argument = peek<T>(dom, kArgument);
    return result;
  }
  Port unbound(DomId remote) {
    evtchn_alloc_unbound op{};
    op.dom = DOMID_SELF;
    op.remote_dom = remote.v;
    XS_CHECK(event_op(kA, EVTCHNOP_alloc_unbound, op) == 0);
    return Port{op.port};
  }
  int64_t send(DomId dom, Port port) {
    evtchn_send op{port.v};
    return event_op(dom, EVTCHNOP_send, op);
  }
  // An unmap of the host's that names a place, a bus address, or both.
  int16_t unmap_parts(uint32_t handle, uint64_t gfn, uint64_t bus) {
    gnttab_unmap_grant_ref op{};
    op.host_addr = gfn << kPageShift;
    op.dev_bus_addr = bus;
    op.handle = handle;
    XS_CHECK(call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, op) == 0);
    return op.status;
  }

  xen::HostBackend host;
};

TEST_CASE("only a privileged domain has a host's side") {
  HostGuests guests;
  xen::HostBackend stranger(*guests.core.api, DomId{99});
  xen::HostBackend guest(*guests.core.api, kA);
  CHECK(stranger.notify(Port{3}) == -XEN_ESRCH);
  CHECK(guest.notify(Port{3}) == -XEN_EPERM);
  CHECK(guest.map(kHost, GrantRef{8}, true).status == static_cast<int16_t>(-XEN_EPERM));
}

TEST_CASE("a grant is mapped without a place in the host's memory, and unmapped") {
  HostGuests guests;
  guests.grant(kA, 8, kHost, 7);
  const auto mapping = guests.host.map(kA, GrantRef{8}, false);
  CHECK(mapping.status == GNTST_okay);
  CHECK(mapping.at == Maddr{7 * kPageSize});
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_reading | GTF_writing));
  CHECK(guests.broken().empty());
  // A guest of the host's cannot unmap it as one of its own.
  CHECK(guests.unmap_parts(mapping.handle.v, kPlace, 0) == GNTST_general_error);
  CHECK(guests.host.unmap(mapping.handle) == GNTST_okay);
  CHECK(guests.host.unmap(mapping.handle) == GNTST_bad_handle);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.host.map(kA, GrantRef{9}, true).status == GNTST_general_error);
  CHECK(guests.host.map(kA, GrantRef{600}, true).status == GNTST_bad_gntref);
  CHECK(guests.host.map(DomId{99}, GrantRef{8}, true).status == GNTST_bad_domain);
  CHECK(guests.broken().empty());
}

TEST_CASE("copies between a buffer outside and a grant") {
  HostGuests guests;
  guests.grant(kA, 8, kHost, 7);
  guests.grant(kA, 9, kHost, 7, GTF_permit_access | GTF_readonly);
  const std::array<std::byte, 4> text{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::array<std::byte, 4> back{};
  CHECK(guests.host.copy_to(kA, GrantRef{8}, 100, text) == GNTST_okay);
  CHECK(guests.host.copy_from(kA, GrantRef{9}, 100, back) == GNTST_okay);
  CHECK(back == text);
  CHECK(guests.host.copy_to(kA, GrantRef{9}, 100, text) == GNTST_general_error);
  CHECK(guests.host.copy_to(kA, GrantRef{8}, 4093, text) == GNTST_bad_copy_arg);
  CHECK(guests.host.copy_to(kA, GrantRef{8}, 4092, text) == GNTST_okay);
  CHECK(guests.host.copy_from(kA, GrantRef{8}, 0xffffffff, back) == GNTST_bad_copy_arg);
  CHECK(guests.host.copy_from(DomId{99}, GrantRef{8}, 0, back) == GNTST_bad_domain);
  CHECK(guests.host.copy_from(kA, GrantRef{600}, 0, back) == GNTST_bad_gntref);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.broken().empty());
}

TEST_CASE("events go to the backend, from it to the guest, and ports that nobody registered are refused") {
  HostGuests guests;
  const Port remote = guests.unbound(kHost);
  const int64_t bound = guests.host.bind(kA, remote);
  REQUIRE(bound > 0);
  const Port port{static_cast<uint32_t>(bound)};
  CHECK(guests.platform.host_events == std::vector{port});  // a binding raises its port
  CHECK(guests.send(kA, remote) == 0);
  CHECK(guests.platform.host_events == std::vector{port, port});
  CHECK(guests.host.notify(port) == 0);
  CHECK(guests.host.notify(Port{port.v + 1}) == -XEN_ENOENT);
  CHECK(guests.host.notify(Port{5000}) == -XEN_ENOENT);
  CHECK(guests.host.ignore(port) == 0);
  CHECK(guests.host.ignore(port) == -XEN_ENOENT);
  CHECK(guests.host.notify(port) == -XEN_ENOENT);
  CHECK(guests.send(kA, remote) == 0);
  CHECK(guests.platform.host_events.size() == 2);
  CHECK(guests.host.listen(port) == 0);  // what came meanwhile is told now
  CHECK(guests.platform.host_events.size() == 3);
  CHECK(guests.host.listen(Port{900}) == -XEN_EINVAL);
  CHECK(guests.host.bind(kA, remote) == -XEN_EINVAL);
  CHECK(guests.host.bind(DomId{99}, remote) == -XEN_ESRCH);
  // A port that is closed is off the list.
  evtchn_close close{port.v};
  CHECK(guests.event_op(kHost, EVTCHNOP_close, close) == 0);
  CHECK(guests.host.notify(port) == -XEN_ENOENT);
  CHECK(guests.broken().empty());
}

TEST_CASE("sinks: a function, and a counter that is read as an eventfd is") {
  xen::EventSinks sinks;
  int calls = 0;
  sinks.call(Port{3}, [&] { ++calls; });
  sinks.count(Port{4});
  CHECK(sinks.deliver(Port{3}));
  CHECK(sinks.deliver(Port{4}));
  CHECK(sinks.deliver(Port{4}));
  CHECK_FALSE(sinks.deliver(Port{5}));
  CHECK(calls == 1);
  CHECK(sinks.take(Port{4}) == 2);
  CHECK(sinks.take(Port{4}) == 0);
  sinks.forget(Port{4});
  CHECK_FALSE(sinks.deliver(Port{4}));
}

TEST_CASE("a mapping for the host and a device: one pin and one reference each (B-G7), which go one by one (B-G8)") {
  HostGuests guests;
  guests.grant(kA, 8, kHost, 7);
  const gnttab_map_grant_ref op = guests.map(kHost, kA, 8, kPlace, kBoth);
  REQUIRE(op.status == GNTST_okay);
  CHECK(op.dev_bus_addr == 7 * kPageSize);
  CHECK(guests.broken().empty());
  CHECK(guests.unmap_parts(op.handle, kPlace, 0) == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_reading | GTF_writing));
  // What is gone is not taken away again, however often it is asked for.
  for (unsigned i = 0; i < 3; ++i) CHECK(guests.unmap_parts(op.handle, kPlace, 0) == GNTST_okay);
  CHECK(guests.broken().empty());
  CHECK(guests.unmap_parts(op.handle, 0, 9 * kPageSize) == GNTST_bad_dev_addr);
  CHECK(guests.unmap_parts(op.handle, 0, op.dev_bus_addr) == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.unmap_parts(op.handle, kPlace, op.dev_bus_addr) == GNTST_bad_handle);
  CHECK(guests.broken().empty());
  const gnttab_map_grant_ref device = guests.map(kHost, kA, 8, 0, GNTMAP_device_map | GNTMAP_readonly);
  CHECK(device.status == GNTST_okay);
  CHECK(guests.entry(kA, 8).flags == (GTF_permit_access | GTF_reading));
  CHECK(guests.unmap_parts(device.handle, 0, device.dev_bus_addr) == GNTST_okay);
  CHECK(guests.broken().empty());
}

TEST_CASE("unmap_and_replace puts the page of another place where the grant was") {
  HostGuests guests;
  guests.grant(kA, 8, kHost, 7);
  const uint32_t handle = guests.map(kHost, kA, 8, kPlace).handle;
  gnttab_unmap_and_replace op{};
  op.host_addr = kPlace << kPageShift;
  op.new_addr = 0x60000ull << kPageShift;
  op.handle = handle;
  CHECK(guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, op) == 0);
  CHECK(op.status == GNTST_general_error);  // nothing is there
  op.new_addr = 20 << kPageShift;
  CHECK(guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, op) == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.mapping(kHost, kPlace) == Mfn{(TwoGuests::kRam >> kPageShift) + 20});
  CHECK_FALSE(guests.mapping(kHost, 20));
  CHECK(guests.entry(kA, 8).flags == GTF_permit_access);
  CHECK(guests.call_with(kA, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, op) == -XEN_ENOSYS);
  CHECK(guests.broken().empty());
}

TEST_CASE("get_status_frames, of oneself and of others, in both widths") {
  HostGuests guests;
  gnttab_get_status_frames op{};
  op.dom = kA.v;
  op.nr_frames = 1;
  op.frame_list.p = reinterpret_cast<uint64_t*>(uintptr_t{0x3000});
  const auto ask = [&] { return guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, op); };
  CHECK(ask() == 0);
  CHECK(op.status == GNTST_general_error);  // version 1 has none
  REQUIRE(guests.set_version(kA, 2) == 0);
  guests.status_v2(kA, 0);
  CHECK(ask() == 0);
  CHECK(op.status == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kHost, 0x3000) == 0x70100);
  op.frame_list.p = reinterpret_cast<uint64_t*>(uintptr_t{0x7fff'0000});
  CHECK(ask() == 0);
  CHECK(op.status == GNTST_bad_virt_addr);
  op.dom = 99;
  CHECK(ask() == 0);
  CHECK(op.status == GNTST_bad_domain);
  CHECK(guests.call(kHost, __HYPERVISOR_grant_table_op, {GNTTABOP_get_status_frames, 0x1000, 2}) == -XEN_EINVAL);
  CHECK(guests.call(kA, __HYPERVISOR_grant_table_op, {GNTTABOP_get_status_frames, 0x1000, 1}) == -XEN_ENOSYS);
  guests.mode64 = false;
  xen::abi32::gnttab_get_status_frames narrow{1, kA.v, 77, {0x3008}};
  CHECK(guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_get_status_frames, narrow) == 0);
  CHECK(narrow.status == GNTST_okay);
  CHECK(guests.peek<uint64_t>(kHost, 0x3008) == 0x70100);
}

TEST_CASE("the host's domain may ask about the tables of others") {
  HostGuests guests;
  gnttab_query_size query{};
  query.dom = kA.v;
  CHECK(guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_query_size, query) == 0);
  CHECK(query.status == GNTST_okay);
  gnttab_get_version version{};
  version.dom = kA.v;
  CHECK(guests.call_with(kHost, __HYPERVISOR_grant_table_op, GNTTABOP_get_version, version) == 0);
  CHECK(version.version == 1);
}

}  // namespace
}  // namespace xensim
