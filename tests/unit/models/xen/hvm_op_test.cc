// HVMOP_*: parameters and the rest; errors as the oracle gave them.
#include <doctest/doctest.h>

#include <utility>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;

int64_t param_op(TwoGuests& guests, uint64_t op, xen_hvm_param& param) {
  return guests.call_with(kA, __HYPERVISOR_hvm_op, op, param);
}
int64_t set(TwoGuests& guests, uint32_t index, uint64_t value, uint16_t domid = DOMID_SELF) {
  xen_hvm_param param{};
  param.domid = domid;
  param.index = index;
  param.value = value;
  return param_op(guests, HVMOP_set_param, param);
}
int64_t get(TwoGuests& guests, uint32_t index, uint64_t& value) {
  xen_hvm_param param{};
  param.domid = DOMID_SELF;
  param.index = index;
  const int64_t result = param_op(guests, HVMOP_get_param, param);
  value = param.value;
  return result;
}

TEST_CASE("which parameters a guest may read and set, as measured on Xen 4.17.7") {
  TwoGuests guests;
  const auto expected = [](uint32_t index, bool setting) -> int64_t {
    switch (index) {
      case 4:
      case 13:
      case 20:
      case 21:
      case 22:
      case 23:
      case 24:
      case 25:
      case 26:
      case 30:
      case 39: return -XEN_EINVAL;
      case 0:
      case 2:
      case 15:
      case 18:
      case 34:
      case 36: return 0;
      case 19: return setting ? -XEN_ENODEV : 0;
      case 1:
      case 17:
      case 35: return setting ? -XEN_EPERM : 0;
      default: return -XEN_EPERM;
    }
  };
  for (uint32_t index = 0; index <= HVM_NR_PARAMS; ++index) {
    CAPTURE(index);
    uint64_t value;
    if (index != HVM_PARAM_VM86_TSS_SIZED) {
      CHECK(get(guests, index, value) == expected(index, false));
      CHECK(set(guests, index, 0) == expected(index, true));
    }
  }
  CHECK(guests.platform.shutdowns.empty());
}

TEST_CASE("parameters with rules of their own") {
  TwoGuests guests;
  uint64_t value;
  CHECK(set(guests, HVM_PARAM_VM86_TSS, 0x1000) == 0);
  CHECK(get(guests, HVM_PARAM_VM86_TSS, value) == 0);
  CHECK(value == 0x1000);
  CHECK(get(guests, HVM_PARAM_VM86_TSS_SIZED, value) == 0);
  CHECK(value == 0x8000001000);
  CHECK(set(guests, HVM_PARAM_X87_FIP_WIDTH, 5) == -XEN_EINVAL);
  CHECK(set(guests, HVM_PARAM_X87_FIP_WIDTH, 8) == 0);
  CHECK(get(guests, HVM_PARAM_X87_FIP_WIDTH, value) == 0);
  CHECK(value == 8);
  CHECK(set(guests, HVM_PARAM_VM86_TSS_SIZED, uint64_t{0xffffff} << 32) == 0);
  CHECK(get(guests, HVM_PARAM_VM86_TSS_SIZED, value) == 0);
  CHECK((value >> 32) == 8329);
  CHECK(guests.platform.shutdowns.empty());
  CHECK(set(guests, HVM_PARAM_VM86_TSS_SIZED, 0) == -XEN_EINVAL);
  CHECK(guests.platform.shutdowns == std::vector{xen::ShutdownReason::kCrash});
}

TEST_CASE("other domains' parameters") {
  TwoGuests guests;
  CHECK(set(guests, HVM_PARAM_STORE_EVTCHN, 0, 77) == -XEN_ESRCH);
  CHECK(set(guests, HVM_PARAM_STORE_EVTCHN, 0, 0) == -XEN_EINVAL);
  CHECK(set(guests, HVM_PARAM_STORE_EVTCHN, 0, TwoGuests::kB.v) == -XEN_EPERM);
}

TEST_CASE("the callback's setting latches the layout, and the wall clock is written in it") {
  TwoGuests guests;
  const auto shown = [&] {
    const uint64_t shared_info = FakePlatform::kRam;
    return std::pair(guests.platform.peek_as<::shared_info>(shared_info).wc_sec != 0,
                     guests.platform.peek_as<xen::abi32::shared_info>(shared_info).wc_sec != 0);
  };
  CHECK(shown() == std::pair(false, false));
  for (const bool mode64 : {false, true}) {
    guests.mode64 = mode64;
    CHECK(set(guests, HVM_PARAM_CALLBACK_IRQ, uint64_t{2} << 56 | 0xf3) == 0);
    CHECK(shown() == std::pair(mode64, true));
  }
}

TEST_CASE("the upcall vector") {
  TwoGuests guests;
  xen_hvm_evtchn_upcall_vector op{};
  op.vector = 0xf;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, op) == -XEN_EINVAL);
  op.vector = 0x31;
  op.vcpu = 2;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, op) == -XEN_ENOENT);
  op.vcpu = 1;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector, op) == 0);
}

TEST_CASE("memory types and time") {
  TwoGuests guests;
  xen_hvm_get_mem_type type{};
  type.domid = DOMID_SELF;
  type.pfn = 7;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, type) == 0);
  CHECK(type.mem_type == HVMMEM_ram_rw);
  type.pfn = 0xfffff;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_get_mem_type, type) == 0);
  CHECK(type.mem_type == HVMMEM_mmio_dm);
  xen_hvm_get_time time{};
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_get_time, time) == 0);
  CHECK(time.now == guests.platform.time.v);
}

TEST_CASE("every sub-op with an argument of zeroes, as measured on Xen 4.17.7") {
  TwoGuests guests;
  for (uint64_t op = 2; op < 30; ++op) {
    if (op == HVMOP_set_evtchn_upcall_vector) continue;
    CAPTURE(op);
    int64_t expected = -XEN_ENOSYS;
    if (op == 5 || op == 24) expected = -XEN_EINVAL;
    if (op == 9 || op == 25) expected = -XEN_EOPNOTSUPP;
    if (op == 10 || op == 11) expected = 0;
    if (op == 15) expected = -XEN_EPERM;
    guests.poke(kA, TwoGuests::kArgument, std::array<std::byte, 256>{});
    CHECK(guests.call(kA, __HYPERVISOR_hvm_op, {op, TwoGuests::kArgument}) == expected);
  }
  CHECK(guests.call(kA, __HYPERVISOR_hvm_op, {HVMOP_flush_tlbs, 0}) == 0);
  CHECK(guests.call(kA, __HYPERVISOR_hvm_op, {HVMOP_guest_request_vm_event, 0}) == 0);
  xen_hvm_pagetable_dying dying{};
  dying.domid = DOMID_SELF;
  CHECK(guests.call_with(kA, __HYPERVISOR_hvm_op, HVMOP_pagetable_dying, dying) == -XEN_EINVAL);
}

TEST_CASE("what KVM with QEMU has of it") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  uint64_t value = 0;
  CHECK(set(guests, HVM_PARAM_CALLBACK_IRQ, uint64_t{2} << 56 | 0xf3) == 0);
  CHECK(set(guests, HVM_PARAM_CALLBACK_IRQ, uint64_t{1} << 56 | 3 << 11) == -XEN_EINVAL);
  CHECK(set(guests, HVM_PARAM_CALLBACK_IRQ, 0, 77) == -XEN_ESRCH);
  CHECK(set(guests, HVM_PARAM_X87_FIP_WIDTH, 5) == -XEN_ENOSYS);
  CHECK(set(guests, HVM_NR_PARAMS, 0) == -XEN_ENOSYS);
  CHECK(get(guests, HVM_PARAM_CALLBACK_IRQ, value) == -XEN_ENOSYS);
  CHECK(get(guests, HVM_PARAM_STORE_EVTCHN, value) == 0);
  CHECK(value == 2);
  CHECK(get(guests, HVM_PARAM_CONSOLE_EVTCHN, value) == 0);
  CHECK(value == 1);
  for (uint64_t op = 3; op < 30; ++op) {
    if (op == HVMOP_set_evtchn_upcall_vector) continue;
    CHECK(guests.call(kA, __HYPERVISOR_hvm_op, {op, TwoGuests::kArgument}) == -XEN_ENOSYS);
  }
  // A struct where no memory is reads as zeroes: domain 0.
  CHECK(guests.call(kA, __HYPERVISOR_hvm_op, {HVMOP_get_param, TwoGuests::kRam + 0x1000}) == -XEN_ESRCH);
}

TEST_CASE("a privileged domain sets what a guest may not, by rules of its own") {
  TwoGuests guests({}, 1024, TwoGuests::Host::kA);
  constexpr uint16_t kB = TwoGuests::kB.v;
  CHECK(set(guests, 35, 4, kB) == -XEN_EINVAL);
  CHECK(set(guests, 35, 1, kB) == 0);
  CHECK(set(guests, 35, 1, kB) == 0);
  CHECK(set(guests, 35, 2, kB) == -XEN_EEXIST);
  CHECK(set(guests, 10, 4, kB) == -XEN_EINVAL);   // timer mode
  CHECK(set(guests, 9, 2, kB) == -XEN_EINVAL);    // viridian without its base
  CHECK(set(guests, 14, 1, kB) == -XEN_EINVAL);   // ACPI state
  CHECK(set(guests, 31, 6, kB) == -XEN_EINVAL);   // triple fault's reason
  CHECK(set(guests, 33, 65, kB) == -XEN_EINVAL);  // ioreq server pages
  CHECK(set(guests, 33, 64, kB) == 0);
  CHECK(set(guests, 38, 2, kB) == -XEN_EINVAL);  // machine check capabilities
  CHECK(set(guests, 4, 0, kB) == -XEN_EINVAL);
  CHECK(set(guests, HVM_PARAM_VM86_TSS_SIZED, 0, kB) == -XEN_EINVAL);
  CHECK(guests.platform.shutdowns.empty());
}

}  // namespace
}  // namespace xensim
