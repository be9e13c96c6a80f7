// XENMEM_exchange in both widths: each error in Xen's order.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr uint64_t kIn = 0x2000, kOut = 0x2100;
constexpr uint64_t kNowhere = TwoGuests::kRam + 0x10000;

struct Exchange {
  TwoGuests* guests;
  bool wide = true;
  uint64_t in = 1, out = 1;
  uint32_t in_order = 0, out_order = 0;
  uint64_t done = 0;
  uint16_t in_domid = DOMID_SELF, out_domid = DOMID_SELF;
  uint32_t out_flags = 0;
  uint64_t in_list = kIn;

  template <class Raw>
  int64_t call(uint64_t start) const {
    struct {
      Raw in, out;
      std::conditional_t<std::is_same_v<Raw, xen_memory_reservation>, uint64_t, uint32_t> done;
    } raw{};
    raw.in.extent_start.p = decltype(raw.in.extent_start.p)(in_list);
    raw.out.extent_start.p = decltype(raw.out.extent_start.p)(kOut);
    raw.in.nr_extents = static_cast<uint32_t>(in);
    raw.out.nr_extents = static_cast<uint32_t>(out);
    raw.in.extent_order = in_order;
    raw.out.extent_order = out_order;
    raw.in.domid = in_domid;
    raw.out.domid = out_domid;
    raw.out.mem_flags = out_flags;
    raw.done = static_cast<uint32_t>(done);
    return guests->call_with(kA, __HYPERVISOR_memory_op, XENMEM_exchange | start << 6, raw);
  }
  int64_t operator()(uint64_t start = 0) const {
    guests->mode64 = wide;
    return wide ? call<xen_memory_reservation>(start) : call<xen::abi32::xen_memory_reservation>(start);
  }
};

TEST_CASE("exchange refuses, in Xen's order") {
  for (const bool wide : {true, false}) {
    CAPTURE(wide);
    TwoGuests guests;
    const Exchange good{&guests, wide};
    const auto gfn = [&](uint64_t number) {
      wide ? guests.poke(kA, kIn, number) : guests.poke(kA, kIn, static_cast<uint32_t>(number));
    };
    gfn(20);
    CHECK(good() == -XEN_EOPNOTSUPP);
    gfn(0x9000);
    CHECK(good() == -XEN_EINVAL);
    gfn(20);
    CHECK(good(1) == -XEN_EINVAL);
    Exchange call = good;
    call.in = call.out = 0;
    call.in_domid = call.out_domid = 99;
    CHECK(call() == 0);
    call = good;
    call.in_order = call.out_order = 10;
    CHECK(call() == -XEN_EPERM);
    call.out = 2;
    call.out_order = 9;
    CHECK(call() == -XEN_EPERM);
    call = good;
    call.out = 2;
    CHECK(call() == -XEN_EINVAL);
    call = good;
    call.done = 2;
    CHECK(call() == -XEN_EINVAL);
    call.done = 1;
    CHECK(call() == 0);
    call = good;
    call.out_domid = 99;
    CHECK(call() == -XEN_EINVAL);
    call.in_domid = 99;
    CHECK(call() == -XEN_ESRCH);
    call.in_domid = call.out_domid = 0;
    CHECK(call() == -XEN_EPERM);
    call = good;
    call.out_flags = XENMEMF_exact_node(1);
    CHECK(call() == -XEN_EINVAL);
    call = good;
    call.in_list = kNowhere;
    CHECK(call() == -XEN_EFAULT);
    call = good;
    call.in = 2;
    call.out_order = 1;
    CHECK(call() == -XEN_EOPNOTSUPP);
    CHECK(guests.call(kA, __HYPERVISOR_memory_op, {XENMEM_exchange, kNowhere}) == -XEN_EFAULT);
  }
}

TEST_CASE("a 32-bit exchange whose lists cannot be translated") {
  TwoGuests guests;
  Exchange call{&guests, false};
  call.in_order = 10;
  call.out = 1024;
  CHECK(call() == -XEN_E2BIG);
  call.in_order = 0;
  call.out = 1;
  call.in = 2;
  call.out_order = 1;
  call.done = 1;
  CHECK(call() == -XEN_EINVAL);
}

}  // namespace
}  // namespace xensim
