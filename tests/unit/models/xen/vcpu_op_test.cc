// VCPU_OP: lifecycle and registration.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

vcpu_hvm_context context_64() {
  vcpu_hvm_context context{};
  context.mode = VCPU_HVM_MODE_64B;
  context.cpu_regs.x86_64.rip = 0x100000;
  context.cpu_regs.x86_64.cr0 = 0x80000001;
  context.cpu_regs.x86_64.cr4 = 0x20;
  context.cpu_regs.x86_64.efer = 0x500;
  return context;
}

vcpu_hvm_context context_32() {
  vcpu_hvm_context context{};
  context.mode = VCPU_HVM_MODE_32B;
  vcpu_hvm_x86_32& regs = context.cpu_regs.x86_32;
  regs.cs_limit = regs.ds_limit = regs.ss_limit = regs.es_limit = 0xfffff;
  regs.tr_limit = 0x67;
  regs.cs_ar = 0xc9b;
  regs.ds_ar = regs.ss_ar = regs.es_ar = 0xc93;
  regs.tr_ar = 0x8b;
  return context;
}

TEST_CASE("initialise, up, is_up, down") {
  Guest guest;
  CHECK(guest.vcpu_op(VCPUOP_is_up, 0) == 1);
  CHECK(guest.vcpu_op(VCPUOP_is_up, 1) == 0);
  CHECK(guest.vcpu_op(VCPUOP_up, 1) == -XEN_EINVAL);
  CHECK(guest.vcpu_op(VCPUOP_initialise, 1, context_64()) == 0);
  CHECK(guest.platform.started == std::vector<VcpuRef>{Guest::vcpu(1)});
  CHECK(guest.vcpu_op(VCPUOP_initialise, 1, context_64()) == -XEN_EEXIST);
  CHECK(guest.vcpu_op(VCPUOP_initialise, 0, context_64()) == -XEN_EEXIST);
  CHECK_FALSE(guest.runnable(1));
  CHECK(guest.vcpu_op(VCPUOP_up, 1) == 0);
  CHECK(guest.runnable(1));
  CHECK(guest.platform.runnable[Guest::vcpu(1)] == true);
  CHECK(guest.vcpu_op(VCPUOP_up, 1) == 0);
  CHECK(guest.vcpu_op(VCPUOP_is_up, 1) == 1);
  CHECK(guest.vcpu_op(VCPUOP_down, 1) == 0);
  CHECK(guest.platform.runnable[Guest::vcpu(1)] == false);
  CHECK(guest.vcpu_op(VCPUOP_is_up, 1) == 0);
  CHECK(guest.platform.shutdowns.empty());
}

TEST_CASE("the last vCPU that goes down powers the domain off, and stays up") {
  Guest guest;
  CHECK(guest.vcpu_op(VCPUOP_down, 0) == 0);
  CHECK(guest.platform.shutdowns == std::vector{xen::ShutdownReason::kPoweroff});
}

TEST_CASE("a vCPU that is blocked and down needs both to end") {
  Guest guest;
  CHECK(guest.vcpu_op(VCPUOP_initialise, 1, context_32()) == 0);
  CHECK(guest.vcpu_op(VCPUOP_up, 1) == 0);
  guest.core.api->halt(Guest::vcpu(1), true);
  CHECK(guest.vcpu_op(VCPUOP_down, 1) == 0);
  guest.core.api->wake(Guest::vcpu(1), false);
  CHECK_FALSE(guest.runnable(1));
  CHECK(guest.vcpu_op(VCPUOP_up, 1) == 0);
  CHECK(guest.runnable(1));
}

TEST_CASE("initialise checks the state it is given: 64-bit") {
  const auto initialise = [](auto change) {
    Guest guest;
    vcpu_hvm_context context = context_64();
    change(context, context.cpu_regs.x86_64);
    return guest.vcpu_op(VCPUOP_initialise, 1, context);
  };
  CHECK(initialise([](auto& c, auto&) { c.pad = 1; }) == -XEN_EINVAL);
  CHECK(initialise([](auto& c, auto&) { c.mode = 2; }) == -XEN_EINVAL);
  CHECK(initialise([](auto&, auto& r) { r.rip = 0x8000'0000'0000; }) == -XEN_EINVAL);
  CHECK(initialise([](auto&, auto& r) { r.rip = 0xffff'8000'0000'0000; }) == 0);
  CHECK(initialise([](auto&, auto& r) { r.cr0 = 1; }) == -XEN_EINVAL);
  CHECK(initialise([](auto&, auto& r) { r.cr4 = 0; }) == -XEN_EINVAL);
  for (const unsigned bit : {12, 13, 14, 15, 19, 23, 24, 31, 32, 63}) {
    CAPTURE(bit);
    CHECK(initialise([bit](auto&, auto& r) { r.cr4 |= uint64_t{1} << bit; }) == -XEN_EINVAL);
  }
  CHECK(initialise([](auto&, auto& r) { r.cr4 |= 1 << 11; }) == 0);  // UMIP
  CHECK(initialise([](auto&, auto& r) { r.efer = 0; }) == -XEN_EINVAL);
  CHECK(initialise([](auto&, auto& r) { r.efer |= uint64_t{1} << 40; }) == -XEN_EINVAL);
}

TEST_CASE("initialise checks the state it is given: 32-bit") {
  const auto initialise = [](auto change) {
    Guest guest;
    vcpu_hvm_context context = context_32();
    change(context.cpu_regs.x86_32);
    return guest.vcpu_op(VCPUOP_initialise, 1, context);
  };
  CHECK(initialise([](auto&) {}) == 0);
  CHECK(initialise([](auto& r) { r.pad1 = 1; }) == -XEN_EINVAL);
  CHECK(initialise([](auto& r) { r.pad2[2] = 1; }) == -XEN_EINVAL);
  CHECK(initialise([](auto& r) { r.cs_ar = 0xc93; }) == -XEN_EINVAL);    // no code segment
  CHECK(initialise([](auto& r) { r.cs_ar = 0; }) == -XEN_EINVAL);        // null
  CHECK(initialise([](auto& r) { r.cs_ar |= 0x1000; }) == -XEN_EINVAL);  // reserved bit
  CHECK(initialise([](auto& r) { r.ss_ar = 0xc91; }) == -XEN_EINVAL);    // cannot be written
  CHECK(initialise([](auto& r) { r.ss_ar = 0xcf3; }) == -XEN_EINVAL);    // another DPL
  CHECK(initialise([](auto& r) { r.ds_ar = 0xc99; }) == -XEN_EINVAL);    // cannot be read
  CHECK(initialise([](auto& r) { r.ds_ar = 0xcf3; }) == -XEN_EINVAL);    // DPL above that of CS
  CHECK(initialise([](auto& r) { r.es_ar = 0xc13; }) == -XEN_EINVAL);    // not present
  CHECK(initialise([](auto& r) { r.ds_ar = r.es_ar = 0; }) == 0);        // may be null
  CHECK(initialise([](auto& r) { r.tr_ar = 0x83; }) == -XEN_EINVAL);     // 16-bit TSS
  CHECK(initialise([](auto& r) { r.tr_ar = 0x9b; }) == -XEN_EINVAL);     // no system segment
  CHECK(initialise([](auto& r) { r.tr_ar = 0x89; }) == 0);               // made busy
  CHECK(initialise([](auto& r) {
          r.cs_ar = 0x49b;
          r.eip = 0x100000;
        }) == -XEN_EINVAL);
  CHECK(initialise([](auto& r) { r.efer = 0x400; }) == -XEN_EINVAL);
}

TEST_CASE("vCPUs that do not exist, arguments that are not there, ops that a guest has not") {
  Guest guest(2);
  for (uint32_t op = VCPUOP_initialise; op <= VCPUOP_register_vcpu_time_memory_area; ++op) {
    CHECK(guest.vcpu_op(op, 2) == -XEN_ENOENT);
    CHECK(guest.vcpu_op(op, ~0u) == -XEN_ENOENT);
  }
  for (const bool mode64 : {true, false}) {
    guest.mode64 = mode64;
    for (const uint32_t op :
         {VCPUOP_initialise, VCPUOP_get_runstate_info, VCPUOP_register_runstate_memory_area, VCPUOP_set_periodic_timer,
          VCPUOP_register_vcpu_info, VCPUOP_register_vcpu_time_memory_area}) {
      CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {op, 0, Guest::kBadAddress}) == -XEN_EFAULT);
    }
    CHECK(guest.vcpu_op(VCPUOP_get_physid, 0) == -XEN_EINVAL);
    CHECK(guest.vcpu_op(14, 0) == -XEN_ENOSYS);
    CHECK(guest.vcpu_op(VCPUOP_send_nmi, 0) == 0);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_send_nmi, 0, 8}) == -XEN_EINVAL);
  }
}

TEST_CASE("KVM: no lifecycle, other errors for timers") {
  Guest guest(2, kvm_flavour());
  for (uint32_t op = VCPUOP_initialise; op <= VCPUOP_get_runstate_info; ++op) {
    CHECK(guest.vcpu_op(op, 0) == -XEN_ENOSYS);
    CHECK(guest.vcpu_op(op, 9) == -XEN_ENOENT);
  }
  for (const uint32_t op : {VCPUOP_set_singleshot_timer, VCPUOP_stop_singleshot_timer}) {
    CHECK(guest.vcpu_op(op, 9) == -XEN_ENOENT);
  }
  guest.bind_virq(VIRQ_TIMER, 0);
  for (const uint32_t op : {VCPUOP_set_singleshot_timer, VCPUOP_stop_singleshot_timer}) {
    CHECK(guest.vcpu_op(op, 9) == -XEN_EINVAL);
  }
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 9) == -XEN_ENOENT);
  CHECK(guest.vcpu_op(VCPUOP_send_nmi, 0) == -XEN_ENOSYS);
  CHECK(guest.vcpu_op(VCPUOP_get_physid, 0) == -XEN_ENOSYS);
}

TEST_CASE("register_vcpu_info moves the vcpu_info and marks all as pending") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(1);
  vcpu_register_vcpu_info args{.mfn = 5, .offset = 64, .rsvd = 0};
  guest.platform.poke<uint32_t>(Guest::kSharedInfo + sizeof(vcpu_info) + 16, 0x1234);  // something to carry over
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 1, args) == 0);
  const vcpu_info info = guest.platform.peek_as<vcpu_info>(5 * kPageSize + 64);
  CHECK(info.evtchn_pending_sel == ~0ul);
  CHECK(info.evtchn_upcall_pending == 1);
  CHECK(info.arch.cr2 == 0x1234);
  CHECK(info.time.version == 2);
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(1)).has_value());

  guest.platform.poke(5 * kPageSize + 64, vcpu_info{});
  guest.send(port);
  CHECK(guest.platform.peek_as<uint8_t>(5 * kPageSize + 64) == 1);
  CHECK(guest.shared().vcpu_info[1].evtchn_upcall_pending == 0);
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 1, args) == -XEN_EINVAL);
}

TEST_CASE("register_vcpu_info: places") {
  const auto place = [](uint64_t gfn, uint32_t offset, uint32_t vcpu = 1, bool up = false, xen::Flavour flavour = {}) {
    Guest guest(2, flavour);
    if (up) guest.core.api->wake(Guest::vcpu(1), true);
    return guest.vcpu_op(VCPUOP_register_vcpu_info, vcpu, vcpu_register_vcpu_info{gfn, offset, 0});
  };
  CHECK(place(5, kPageSize - 64) == 0);
  CHECK(place(5, kPageSize - 63) == -XEN_ENXIO);
  CHECK(place(5, ~0u) == -XEN_ENXIO);
  CHECK(place(5, 4) == -XEN_ENXIO);
  CHECK(place(0x10000, 0) == -XEN_EINVAL);
  CHECK(place(~uint64_t{0}, 0) == -XEN_EINVAL);
  CHECK(place(5, 0, 1, true) == -XEN_EINVAL);  // another vCPU that is up
  CHECK(place(5, 0, 0) == 0);
  CHECK(place(5, kPageSize - 60, 0, false, kvm_flavour()) == -XEN_EINVAL);
  CHECK(place(5, 3, 0, false, kvm_flavour()) == 0);
  CHECK(place(0x10000, 0, 0, false, kvm_flavour()) == 0);
  CHECK(place(5, 0, 1, true, kvm_flavour()) == 0);
}

TEST_CASE("register_vcpu_info in 32-bit mode aligns to 4 and fills a selector of 32 bits") {
  Guest guest(2);
  guest.mode64 = false;
  guest.via_vector(0xf3);
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{5, 4, 0}) == 0);
  CHECK(guest.platform.peek_as<uint32_t>(5 * kPageSize + 4 + 4) == ~0u);
  CHECK(guest.platform.peek_as<uint32_t>(5 * kPageSize + 4 + 8) == 0);
}

TEST_CASE("KVM's register_vcpu_info is silent and may be repeated") {
  Guest guest(2, kvm_flavour());
  for (const uint64_t gfn : {5, 6}) {
    CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{gfn, 0, 0}) == 0);
    CHECK(guest.platform.peek_as<vcpu_info>(gfn * kPageSize).evtchn_upcall_pending == 0);
    CHECK(guest.platform.peek_as<vcpu_info>(gfn * kPageSize).evtchn_pending_sel == 0);
    CHECK(guest.platform.peek_as<vcpu_info>(gfn * kPageSize).arch.cr2 == 0);
    guest.platform.poke<uint32_t>(gfn * kPageSize + offsetof(vcpu_info, arch), 0x1234);  // nothing is carried over
  }
}

TEST_CASE("KVM takes a vcpu_info without RAM: the vCPU has none, and no upcall, until it registers a better one") {
  Guest guest(2, kvm_flavour());
  guest.via_vector(0xf3);
  const uint32_t port = guest.bind_ipi(0);
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{uint64_t{1} << 40, 0, 0}) == 0);
  CHECK(guest.send(port) == 0);
  CHECK_FALSE(guest.core.api->pending_upcall(Guest::vcpu(0)).has_value());
  CHECK(guest.shared().vcpu_info[0].evtchn_upcall_pending == 0);
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{5, 0, 0}) == 0);
  const uint32_t other = guest.bind_ipi(0);
  CHECK(guest.send(other) == 0);
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(0)).has_value());
}

TEST_CASE("an event while the vcpu_info moves is found in the new place") {
  Guest guest(2);
  const uint32_t port = guest.bind_ipi(0);
  guest.platform.at_site(xen::Site::kVcpuInfoPointer, 1,
                         [&] { guest.core.api->external_event(Guest::kDom, Port{port}); });
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 0, vcpu_register_vcpu_info{5, 0, 0}) == 0);
  CHECK(guest.platform.peek_as<vcpu_info>(5 * kPageSize).evtchn_upcall_pending == 1);
  CHECK(guest.core.inspector->lost_events().empty());
}

TEST_CASE("vCPUs from 32 on have no vcpu_info until they register one") {
  Guest guest(40);
  const uint32_t port = guest.bind_ipi(35);
  CHECK(guest.send(port) == 0);
  CHECK(guest.pending(port));
  for (const vcpu_info& info : guest.shared().vcpu_info) CHECK(info.evtchn_upcall_pending == 0);
  CHECK(guest.vcpu_op(VCPUOP_initialise, 35, context_64()) == -XEN_EINVAL);
  guest.platform.poke<uint64_t>(5 * kPageSize + 16, ~uint64_t{0});
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 35, vcpu_register_vcpu_info{5, 0, 0}) == 0);
  const auto info = guest.platform.peek_as<vcpu_info>(5 * kPageSize);
  CHECK(info.evtchn_upcall_pending == 1);
  CHECK(info.evtchn_upcall_mask == 1);  // as every vCPU without a place of its own has it
  CHECK(info.evtchn_pending_sel == ~uint64_t{0});
  CHECK(guest.platform.peek_as<uint64_t>(5 * kPageSize + 16) == 0);  // nothing is carried over
  CHECK(guest.vcpu_op(VCPUOP_initialise, 35, context_64()) == 0);
  CHECK(guest.vcpu_op(VCPUOP_up, 35) == 0);
  CHECK(guest.core.inspector->halt_unmasks(Guest::vcpu(35)));
  guest.core.api->before_halt(Guest::vcpu(35));
  CHECK_FALSE(guest.core.inspector->halt_unmasks(Guest::vcpu(35)));
  CHECK(guest.platform.peek_as<vcpu_info>(5 * kPageSize).evtchn_upcall_mask == 0);
}

TEST_CASE("HLT takes back the mask of upcalls, KVM's does not") {
  const uint64_t mask_at = Guest::kSharedInfo + offsetof(vcpu_info, evtchn_upcall_mask);
  for (const bool kvm : {false, true}) {
    Guest guest(1, kvm ? kvm_flavour() : xen::Flavour{});
    CHECK_FALSE(guest.core.inspector->halt_unmasks(Guest::vcpu(0)));
    guest.platform.poke<uint8_t>(mask_at, 1);
    CHECK(guest.core.inspector->halt_unmasks(Guest::vcpu(0)) == !kvm);
    guest.core.api->before_halt(Guest::vcpu(0));
    CHECK(guest.platform.peek_as<uint8_t>(mask_at) == (kvm ? 1 : 0));
  }
}

TEST_CASE("KVM keeps the events of a vCPU without a vcpu_info, and it does not sleep until it has them") {
  Guest guest(40, kvm_flavour());
  guest.core.api->wake(Guest::vcpu(35), true);
  guest.core.api->halt(Guest::vcpu(35), true);
  CHECK_FALSE(guest.runnable(35));
  uint32_t port = guest.bind_ipi(35);
  while (port < 70) port = guest.bind_ipi(35);
  CHECK(guest.send(port) == 0);
  CHECK(guest.runnable(35));
  CHECK_FALSE(guest.core.api->pending_upcall(Guest::vcpu(35)).has_value());
  CHECK_FALSE(guest.core.inspector->upcall_pending(Guest::vcpu(35)));
  guest.core.api->halt(Guest::vcpu(35), true);
  CHECK(guest.runnable(35));
  CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, 35, vcpu_register_vcpu_info{5, 0, 0}) == 0);
  const auto info = guest.platform.peek_as<vcpu_info>(5 * kPageSize);
  CHECK(info.evtchn_upcall_pending == 1);
  CHECK(info.evtchn_upcall_mask == 0);
  CHECK(info.evtchn_pending_sel == 2);
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(35)).has_value());
  CHECK(guest.core.inspector->upcall_pending(Guest::vcpu(35)));
  CHECK(guest.core.inspector->lost_events().empty());
  guest.platform.poke<uint8_t>(5 * kPageSize, 0);
  CHECK_FALSE(guest.core.inspector->upcall_pending(Guest::vcpu(35)));
  guest.core.api->halt(Guest::vcpu(35), true);
  CHECK_FALSE(guest.runnable(35));
}

TEST_CASE("A5: 128 vCPUs, all of which come up, and the last of them goes down as a poweroff") {
  Guest guest(128);
  for (uint32_t number = 1; number < 128; ++number) {
    if (number >= 32) {
      const vcpu_register_vcpu_info place{.mfn = 8 + number / 64, .offset = number % 64 * 64, .rsvd = 0};
      CHECK(guest.vcpu_op(VCPUOP_register_vcpu_info, number, place) == 0);
    }
    CHECK(guest.vcpu_op(VCPUOP_initialise, number, context_64()) == 0);
    CHECK(guest.vcpu_op(VCPUOP_up, number) == 0);
  }
  CHECK(guest.vcpu_op(VCPUOP_is_up, 128) == -XEN_ENOENT);
  for (uint32_t number = 0; number < 128; ++number) CHECK(guest.vcpu_op(VCPUOP_is_up, number) == 1);
  const uint32_t port = guest.bind_ipi(127);
  CHECK(guest.send(port) == 0);
  CHECK(guest.core.api->pending_upcall(Guest::vcpu(127)).has_value());
  for (uint32_t number = 1; number < 128; ++number) CHECK(guest.vcpu_op(VCPUOP_down, number) == 0);
  CHECK(guest.platform.shutdowns.empty());
  CHECK(guest.vcpu_op(VCPUOP_down, 0) == 0);
  CHECK(guest.platform.shutdowns == std::vector{xen::ShutdownReason::kPoweroff});
}

TEST_CASE("A5 send_nmi: injected, and it wakes a vCPU that halts, but brings up none that is down") {
  for (const bool mode64 : {true, false}) {
    Guest guest(3);
    guest.mode64 = mode64;
    guest.core.api->wake(Guest::vcpu(1), true);
    guest.core.api->halt(Guest::vcpu(1), true);
    CHECK(guest.vcpu_op(VCPUOP_send_nmi, 1) == 0);
    CHECK(guest.runnable(1));
    CHECK(guest.vcpu_op(VCPUOP_send_nmi, 2) == 0);
    CHECK_FALSE(guest.runnable(2));
    CHECK(guest.platform.nmis == std::vector{Guest::vcpu(1), Guest::vcpu(2)});
    CHECK(guest.vcpu_op(VCPUOP_send_nmi, 3) == -XEN_ENOENT);
    CHECK(guest.call(Guest::vcpu(0), __HYPERVISOR_vcpu_op, {VCPUOP_send_nmi, 0, Guest::kArgument}) == -XEN_EINVAL);
  }
}

}  // namespace
}  // namespace xensim
