// Long hypercalls give way to an event that comes while they run, and go on where they stopped; what the guest sees in
// its registers and in a multicall's list.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr VcpuRef kVcpu{kA, VcpuId{0}};
constexpr uint64_t kAt = TwoGuests::kArgument;
constexpr uint64_t kList = 0x2000;
constexpr uint64_t kSend = 0x3000;

// A guest whose callback is a vector, and a port whose event comes at the next unlock.
struct Preempted {
  explicit Preempted(const xen::Flavour& flavour = {}) : guests(flavour) {
    xen_hvm_param param{};
    param.domid = DOMID_SELF;
    param.value = uint64_t{2} << 56 | 0xf3;
    XS_CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_param, param) == 0);
    evtchn_bind_ipi ipi{};
    XS_CHECK(guests.call_with(kA, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, ipi) == 0);
    guests.poke(kA, kSend, uint32_t{ipi.port});
  }

  // What vCPU 0's call gives when vCPU 1 sends the event after `unlocks` more locks were given back.
  uint64_t call(uint64_t nr, std::array<uint64_t, 6> args, bool interrupts = true) {
    guests.platform.on_unlock = [this] {
      const xen::HypercallRegs send{
          .mode64 = guests.mode64, .nr = __HYPERVISOR_event_channel_op, .args = {EVTCHNOP_send, kSend}};
      XS_CHECK(guests.core.api->hypercall({kA, VcpuId{1}}, send) == 0);
    };
    return guests.core.api->hypercall(
        kVcpu, {.mode64 = guests.mode64, .interrupts_enabled = interrupts, .nr = nr, .args = args});
  }
  const xen::HypercallRegs* again() { return guests.core.api->continuation_of(kVcpu); }
  // The handler took the event: the upcall is no longer pending.
  void take_event() { guests.platform.poke<uint8_t>(FakePlatform::kRam, 0); }

  TwoGuests guests;
};

uint64_t put_reservation(TwoGuests& guests, uint32_t count) {
  xen_memory_reservation op{};
  op.extent_start.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{kList});
  op.nr_extents = count;
  op.domid = DOMID_SELF;
  xen::abi32::xen_memory_reservation op32{};
  op32.extent_start.p = kList;
  op32.nr_extents = count;
  op32.domid = DOMID_SELF;
  for (uint32_t i = 0; i < count; ++i) {
    guests.mode64 ? guests.poke(kA, kList + i * 8, uint64_t{20 + i}) : guests.poke(kA, kList + i * 4, 20 + i);
  }
  guests.mode64 ? guests.poke(kA, kAt, op) : guests.poke(kA, kAt, op32);
  return kAt;
}

TEST_CASE("an event stops a reservation between two extents") {
  for (const bool wide : {true, false}) {
    Preempted guest;
    guest.guests.mode64 = wide;
    put_reservation(guest.guests, 3);
    CHECK(guest.call(__HYPERVISOR_memory_op, {XENMEM_decrease_reservation, kAt, 77}) == __HYPERVISOR_memory_op);
    REQUIRE(guest.again() != nullptr);
    const xen::HypercallRegs again = *guest.again();
    CHECK(again.nr == __HYPERVISOR_memory_op);
    CHECK(again.args[0] == (XENMEM_decrease_reservation | 1 << 6));
    CHECK(again.args[1] == kAt);
    CHECK(again.args[2] == 77);
    CHECK(again.mode64 == wide);
    // As long as the event is pending, an extent a time.
    CHECK(guest.guests.core.api->hypercall(kVcpu, again) == __HYPERVISOR_memory_op);
    CHECK(guest.again()->args[0] == (XENMEM_decrease_reservation | 2 << 6));
    guest.take_event();
    CHECK(guest.guests.core.api->hypercall(kVcpu, *guest.again()) == 3);
    CHECK(guest.again() == nullptr);
    CHECK_FALSE(guest.guests.mapping(kA, 22));
  }
}

TEST_CASE("with interrupts off, without an event, and under KVM nothing stops") {
  Preempted guest;
  put_reservation(guest.guests, 3);
  CHECK(guest.call(__HYPERVISOR_memory_op, {XENMEM_decrease_reservation, kAt}, false) == 3);
  CHECK(guest.again() == nullptr);
  Preempted quiet;
  put_reservation(quiet.guests, 3);
  CHECK(quiet.guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_decrease_reservation, kAt}) == 3);
  CHECK(quiet.again() == nullptr);
}

TEST_CASE("a range of pages, and a batch") {
  Preempted guest;
  xen_add_to_physmap range{};
  range.domid = DOMID_SELF;
  range.space = XENMAPSPACE_gmfn_range;
  range.size = 2;
  range.idx = 20;
  range.gpfn = 0x9000;
  guest.guests.poke(kA, kAt, range);
  CHECK(guest.call(__HYPERVISOR_memory_op, {XENMEM_add_to_physmap, kAt}) == __HYPERVISOR_memory_op);
  REQUIRE(guest.again() != nullptr);
  CHECK(guest.again()->args[0] == (XENMEM_add_to_physmap | 1 << 6));
  CHECK(guest.guests.core.api->hypercall(kVcpu, *guest.again()) == 0);
  CHECK(guest.guests.mapping(kA, 0x9001) == Mfn{21});

  Preempted other;
  xen_add_to_physmap_batch batch{};
  batch.domid = DOMID_SELF;
  batch.space = XENMAPSPACE_gmfn;
  batch.size = 2;
  batch.idxs.p = reinterpret_cast<xen_ulong_t*>(uintptr_t{kList});
  batch.gpfns.p = reinterpret_cast<xen_pfn_t*>(uintptr_t{kList + 0x100});
  batch.errs.p = reinterpret_cast<int*>(uintptr_t{kList + 0x200});
  other.guests.poke(kA, kList, std::array<uint64_t, 2>{20, 21});
  other.guests.poke(kA, kList + 0x100, std::array<uint64_t, 2>{0x9000, 0x9001});
  other.guests.poke(kA, kAt, batch);
  CHECK(other.call(__HYPERVISOR_memory_op, {XENMEM_add_to_physmap_batch, kAt}) == __HYPERVISOR_memory_op);
  REQUIRE(other.again() != nullptr);
  CHECK(other.again()->args[0] == (XENMEM_add_to_physmap_batch | 1 << 6));
  CHECK(other.guests.core.api->hypercall(kVcpu, *other.again()) == 0);
  CHECK(other.guests.mapping(kA, 0x9001) == Mfn{21});
}

TEST_CASE("a multicall goes on with the entry that it came to") {
  Preempted guest;
  put_reservation(guest.guests, 1);
  std::array<multicall_entry, 2> list{};
  list[0].op = __HYPERVISOR_memory_op;
  list[0].args[0] = XENMEM_decrease_reservation;
  list[0].args[1] = kAt;
  list[1].op = __HYPERVISOR_xen_version;
  guest.guests.poke(kA, 0x4000, list);
  CHECK(guest.call(__HYPERVISOR_multicall, {0x4000, 2}) == __HYPERVISOR_multicall);
  REQUIRE(guest.again() != nullptr);
  CHECK(guest.again()->args[0] == 0x4000 + sizeof(multicall_entry));
  CHECK(guest.again()->args[1] == 1);
  list = guest.guests.peek<decltype(list)>(kA, 0x4000);
  CHECK(list[0].result == 1);
  CHECK(list[1].result == 0);
  CHECK(guest.guests.core.api->hypercall(kVcpu, *guest.again()) == 0);
  CHECK(guest.guests.peek<decltype(list)>(kA, 0x4000)[1].result == 262161);
}

TEST_CASE("a call that is preempted in a multicall is rewritten in the list") {
  for (const bool wide : {true, false}) {
    Preempted guest;
    guest.guests.mode64 = wide;
    put_reservation(guest.guests, 3);
    const auto run = [&](auto entry) {
      entry.op = __HYPERVISOR_memory_op;
      entry.args[0] = XENMEM_decrease_reservation;
      entry.args[1] = kAt;
      guest.guests.poke(kA, 0x4000, entry);
      CHECK(guest.call(__HYPERVISOR_multicall, {0x4000, 1}) == __HYPERVISOR_multicall);
      REQUIRE(guest.again() != nullptr);
      CHECK(guest.again()->args[0] == 0x4000);
      CHECK(guest.again()->args[1] == 1);
      entry = guest.guests.peek<decltype(entry)>(kA, 0x4000);
      CHECK(entry.op == __HYPERVISOR_memory_op);
      CHECK(entry.args[0] == (XENMEM_decrease_reservation | 1 << 6));
      guest.take_event();
      CHECK(guest.guests.core.api->hypercall(kVcpu, *guest.again()) == 0);
      CHECK(guest.guests.peek<decltype(entry)>(kA, 0x4000).result == 3);
    };
    wide ? run(multicall_entry{}) : run(xen::abi32::multicall_entry{});
  }
}

}  // namespace
}  // namespace xensim
