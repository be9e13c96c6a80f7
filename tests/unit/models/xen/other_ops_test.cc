// xen_version, console_io, vm_assist, physdev_op, multicall and the calls that a guest is refused; answers as the
// oracle gave them.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr DomId kA = TwoGuests::kA;
constexpr uint64_t kAt = TwoGuests::kArgument;
constexpr uint64_t kBad = uint64_t{1} << 38;

int64_t version(TwoGuests& guests, uint64_t op, uint64_t at = kAt) {
  return guests.call(kA, __HYPERVISOR_xen_version, {op, at});
}
std::string text(TwoGuests& guests) {
  return std::string(reinterpret_cast<const char*>(guests.platform.host(Maddr{kAt})));
}

TEST_CASE("who the hypervisor says it is") {
  TwoGuests guests;
  CHECK(version(guests, XENVER_version) == 262161);
  CHECK(version(guests, XENVER_extraversion) == 0);
  CHECK(text(guests) == ".7");
  CHECK(version(guests, XENVER_capabilities) == 0);
  CHECK(text(guests) == "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ");
  CHECK(version(guests, XENVER_changeset) == 0);
  CHECK(text(guests).empty());
  CHECK(version(guests, XENVER_commandline) == 0);
  CHECK(text(guests) == "<denied>");
  CHECK(version(guests, XENVER_platform_parameters) == 0);
  CHECK(guests.peek<uint64_t>(kA, kAt) == 0xffff800000000000);
  CHECK(version(guests, XENVER_pagesize, 0) == 4096);
  CHECK(version(guests, XENVER_pagesize) == -XEN_EINVAL);
  CHECK(version(guests, XENVER_compile_info) == 0);
  CHECK(version(guests, XENVER_guest_handle) == 0);
  CHECK(version(guests, XENVER_build_id, 0) == -XEN_EPERM);
  CHECK(version(guests, 11) == -XEN_ENOSYS);
  for (const uint64_t op : {1u, 2u, 3u, 4u, 5u, 6u, 8u, 9u}) CHECK(version(guests, op, kBad) == -XEN_EFAULT);
}

TEST_CASE("features, and the trait about submaps that do not exist") {
  for (const bool kvm : {false, true}) {
    TwoGuests guests(*xen::flavour_by_name(kvm ? "kvm" : "xen"));
    guests.poke(kA, kAt, uint64_t{0});
    CHECK(version(guests, XENVER_get_features) == 0);
    CHECK(guests.peek<uint32_t>(kA, kAt + 4) == (kvm ? 0x707 : 0x12305));
    guests.poke(kA, kAt, uint64_t{5});
    CHECK(version(guests, XENVER_get_features) == (kvm ? 0 : -XEN_EINVAL));
  }
}

TEST_CASE("KVM knows two version calls") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  CHECK(version(guests, XENVER_version) == 262161);
  for (const uint64_t op : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 10u, 11u}) CHECK(version(guests, op) == -XEN_ENOSYS);
}

TEST_CASE("KVM has no console_io, vm_assist and multicall") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  CHECK(guests.call(kA, __HYPERVISOR_console_io, {CONSOLEIO_write, 3, kAt}) == -XEN_ENOSYS);
  CHECK(guests.call(kA, __HYPERVISOR_vm_assist, {VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag}) == -XEN_ENOSYS);
  CHECK(guests.call(kA, __HYPERVISOR_multicall, {kAt, 0}) == -XEN_ENOSYS);
}

TEST_CASE("the hypervisor's console is the control domain's") {
  TwoGuests guests;
  for (const uint64_t op : {0u, 1u, 2u}) CHECK(guests.call(kA, __HYPERVISOR_console_io, {op, 5, kAt}) == -XEN_EPERM);
  xen::DomainConfig config;
  config.id = DomId{1};
  config.privileged = true;
  config.ram = {{Gpa{0}, TwoGuests::kRam, Maddr{0}}};
  REQUIRE(guests.core.api->create_domain(config).has_value());
  const std::string line(300, 'x');
  std::memcpy(guests.platform.host(Maddr{kAt}), line.data(), line.size());
  const auto console = [&](uint64_t op, uint64_t count, uint64_t at) {
    return guests.call(DomId{1}, __HYPERVISOR_console_io, {op, count, at});
  };
  CHECK(console(CONSOLEIO_write, 300, kAt) == 0);
  CHECK(guests.platform.console == line);
  CHECK(console(CONSOLEIO_write, 1, kBad) == -XEN_EFAULT);
  CHECK(console(CONSOLEIO_read, 10, kAt) == 0);
  CHECK(console(CONSOLEIO_read, 0x80000000, kAt) == -XEN_E2BIG);
  CHECK(console(2, 1, kAt) == -XEN_ENOSYS);
}

TEST_CASE("vm_assist knows one type") {
  TwoGuests guests;
  const auto assist = [&](uint64_t command, uint64_t type) {
    return guests.call(kA, __HYPERVISOR_vm_assist, {command, type});
  };
  CHECK(assist(VMASST_CMD_enable, 5) == 0);
  CHECK(assist(VMASST_CMD_disable, 5) == 0);
  CHECK(assist(VMASST_CMD_enable, 4) == -XEN_EINVAL);
  CHECK(assist(2, 5) == -XEN_ENOSYS);
  CHECK(assist(2, 99) == -XEN_EINVAL);
}

TEST_CASE("calls that a guest is refused") {
  TwoGuests guests;
  const auto call = [&](uint64_t nr, uint64_t a0 = kAt, uint64_t a1 = 0, uint64_t a2 = 0) {
    guests.poke(kA, kAt, std::array<std::byte, 256>{});
    return guests.call(kA, nr, {a0, a1, a2});
  };
  for (uint64_t op = 0; op < 40; ++op) CHECK(call(__HYPERVISOR_physdev_op, op, kAt) == -XEN_ENOSYS);
  for (const uint64_t nr : {__HYPERVISOR_platform_op, __HYPERVISOR_sysctl, __HYPERVISOR_domctl}) {
    CHECK(call(nr) == -XEN_EACCES);
    CHECK(call(nr, kBad) == -XEN_EFAULT);
  }
  const auto control = [&](uint64_t nr, uint32_t cmd, uint32_t version, uint16_t domid) {
    guests.poke(kA, kAt, std::array<uint32_t, 3>{cmd, version, domid});
    return guests.call(kA, nr, {kAt});
  };
  CHECK(control(__HYPERVISOR_platform_op, 1, 0x03000001, 0) == -XEN_EPERM);
  CHECK(control(__HYPERVISOR_sysctl, 1, 0x15, 0) == -XEN_EPERM);
  CHECK(control(__HYPERVISOR_domctl, 1, 0x15, DOMID_SELF) == -XEN_EPERM);  // createdomain
  CHECK(control(__HYPERVISOR_domctl, 2, 0x15, DOMID_SELF) == -XEN_ESRCH);
  CHECK(control(__HYPERVISOR_domctl, 2, 0x15, 0) == -XEN_EPERM);
  CHECK(control(__HYPERVISOR_domctl, 2, 0x15, 99) == -XEN_ESRCH);
  CHECK(control(__HYPERVISOR_domctl, 2, 0x15, kA.v) == -XEN_EPERM);
  CHECK(control(__HYPERVISOR_domctl, 5, 0x15, DOMID_SELF) == -XEN_EINVAL);  // getdomaininfo
  CHECK(control(__HYPERVISOR_arch_1, 10, 0x15, 99) == -XEN_ESRCH);
  CHECK(control(__HYPERVISOR_arch_1, 10, 0x15, 0) == -XEN_EPERM);
  CHECK(control(__HYPERVISOR_arch_1, 11, 0x15, 0) == -XEN_EOPNOTSUPP);
  const auto mmuext = [&](uint64_t uops, uint64_t count, uint64_t domid) {
    return guests.call(kA, __HYPERVISOR_mmuext_op, {uops, count, 0, domid});
  };
  CHECK(mmuext(kAt, 0, DOMID_SELF) == -XEN_EINVAL);
  CHECK(mmuext(kBad, 1, DOMID_SELF) == -XEN_EINVAL);
  CHECK(mmuext(kAt, 1, 99) == -XEN_ESRCH);
  CHECK(mmuext(kAt, 1, kA.v) == -XEN_ESRCH);
  CHECK(mmuext(kAt, 1, 0) == -XEN_EPERM);
  CHECK(mmuext(kAt, 1, DOMID_IO) == -XEN_EPERM);
  CHECK(mmuext(0, 0x80000000, 7) == 7);
  guests.mode64 = false;
  CHECK(mmuext(kAt, 0, 99) == 0);
  guests.mode64 = true;
  CHECK(call(__HYPERVISOR_xsm_op) == -XEN_ENOSYS);
  CHECK(call(__HYPERVISOR_kexec_op) == -XEN_ENOSYS);
  CHECK(call(__HYPERVISOR_argo_op) == -XEN_ENOSYS);
  CHECK(call(__HYPERVISOR_xenpmu_op) == -XEN_EOPNOTSUPP);
  CHECK(call(__HYPERVISOR_hypfs_op) == -XEN_EPERM);
  CHECK(call(__HYPERVISOR_dm_op, DOMID_SELF, 0) == -XEN_ENODATA);
  CHECK(call(__HYPERVISOR_dm_op, 0, 99) == -XEN_E2BIG);
  CHECK(call(__HYPERVISOR_dm_op, 0, 1, kAt) == -XEN_EINVAL);
  CHECK(call(__HYPERVISOR_dm_op, DOMID_SELF, 1, kAt) == -XEN_ESRCH);
  CHECK(call(__HYPERVISOR_dm_op, kA.v, 2, kAt) == -XEN_EPERM);
  CHECK(call(__HYPERVISOR_dm_op, 99, 2, kBad) == -XEN_EFAULT);
  CHECK(call(__HYPERVISOR_arch_1) == -XEN_EOPNOTSUPP);
  for (const uint64_t nr : {43u, 48u, 55u, 127u}) CHECK(call(nr) == -XEN_ENOSYS);
  CHECK(call(uint64_t{1} << 32 | __HYPERVISOR_hvm_op) == -XEN_ENOSYS);
}

TEST_CASE("KVM with QEMU lacks them all") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  for (const uint64_t nr : {7u, 13u, 18u, 21u, 26u, 27u, 35u, 36u, 39u, 40u, 41u, 42u, 49u}) {
    CAPTURE(nr);
    CHECK(guests.call(kA, nr, {kAt, 1, kAt, DOMID_SELF}) == -XEN_ENOSYS);
  }
}

TEST_CASE("a multicall runs its entries in order and does not nest") {
  TwoGuests guests;
  std::array<multicall_entry, 3> list{};
  list[0].op = __HYPERVISOR_xen_version;
  list[1].op = 99;
  list[2].op = __HYPERVISOR_multicall;
  guests.poke(kA, kAt, list);
  CHECK(guests.call(kA, __HYPERVISOR_multicall, {kAt, 3}) == 0);
  list = guests.peek<decltype(list)>(kA, kAt);
  CHECK(list[0].result == 262161);
  CHECK(static_cast<int64_t>(list[1].result) == -XEN_ENOSYS);
  CHECK(static_cast<int64_t>(list[2].result) == -XEN_EINVAL);
  CHECK(guests.call(kA, __HYPERVISOR_multicall, {kAt, 0}) == 0);
  CHECK(guests.call(kA, __HYPERVISOR_multicall, {kBad, 1}) == -XEN_EFAULT);
}

}  // namespace
}  // namespace xensim
