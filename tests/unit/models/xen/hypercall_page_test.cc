// The hypercall page and the CPUID leaves by which a guest finds it.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {
namespace {

constexpr VcpuRef kVcpu{TwoGuests::kA, VcpuId{1}};

TEST_CASE("the page has a stub for each number, and none for iret") {
  TwoGuests guests;
  CHECK(guests.core.api->write_msr(kVcpu, 0x40000000, 9 * kPageSize, true));
  for (const uint32_t number : {0u, 32u, 127u}) {
    const auto stub = guests.peek<std::array<uint8_t, 9>>(TwoGuests::kA, 9 * kPageSize + number * 32);
    CHECK(stub == std::array<uint8_t, 9>{0xb8, static_cast<uint8_t>(number), 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3});
  }
  CHECK(guests.peek<uint16_t>(TwoGuests::kA, 9 * kPageSize + 23 * 32) == 0x0b0f);
  CHECK(guests.peek<uint8_t>(TwoGuests::kA, 9 * kPageSize + 23 * 32 + 2) == 0xcc);
  CHECK(guests.peek<uint8_t>(TwoGuests::kA, 9 * kPageSize + 31) == 0xcc);
}

TEST_CASE("KVM's page has a stub for iret too, and its MSR cannot be read") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  CHECK(guests.core.api->write_msr(kVcpu, 0x40000000, 9 * kPageSize, true));
  CHECK(guests.peek<uint16_t>(TwoGuests::kA, 9 * kPageSize + 23 * 32) == 0x17b8);
  CHECK_FALSE(guests.core.api->read_msr(kVcpu, 0x40000000).has_value());
}

TEST_CASE("what the MSR refuses") {
  TwoGuests guests;
  CHECK_FALSE(guests.core.api->write_msr(kVcpu, 0x40000000, 9 * kPageSize + 1, true));
  CHECK_FALSE(guests.core.api->write_msr(kVcpu, 0x40000000, 0x60000 * kPageSize, true));
  CHECK_FALSE(guests.core.api->write_msr(kVcpu, 0x40000000, ~uint64_t{0xfff}, true));
  CHECK_FALSE(guests.core.api->write_msr(kVcpu, 0x40000001, 9 * kPageSize, true));
  CHECK(guests.core.api->read_msr(kVcpu, 0x40000000) == 0);
  CHECK_FALSE(guests.core.api->read_msr(kVcpu, 0x40000001).has_value());
}

TEST_CASE("the hypervisor's CPUID leaves, as measured on Xen 4.17.7") {
  TwoGuests guests;
  const auto leaf = [&](uint32_t number, uint32_t subleaf = 0) {
    const std::optional<xen::XenCpuidResult> result = guests.core.api->cpuid(kVcpu, number, subleaf);
    REQUIRE(result.has_value());
    return std::array<uint32_t, 4>{result->eax, result->ebx, result->ecx, result->edx};
  };
  using Registers = std::array<uint32_t, 4>;
  CHECK(leaf(0x40000000) == Registers{0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e});
  CHECK(leaf(0x40000001) == Registers{0x40011, 0, 0, 0});
  CHECK(leaf(0x40000002) == Registers{1, 0x40000000, 0, 0});
  CHECK(leaf(0x40000003) == Registers{6, 0, 1000000, 1});
  CHECK(leaf(0x40000003, 2) == Registers{1000000, 0, 0, 0});
  CHECK(leaf(0x40000004) == Registers{0x5c, 1, TwoGuests::kA.v, 0});
  CHECK(leaf(0x40000004, 1) == Registers{});
  CHECK(leaf(0x40000005) == Registers{});
  CHECK(leaf(0x40000006) == Registers{});
  CHECK_FALSE(guests.core.api->cpuid(kVcpu, 0x3fffffff, 0).has_value());
  CHECK_FALSE(guests.core.api->cpuid(kVcpu, 0x40000100, 0).has_value());
}

TEST_CASE("the leaves in which KVM differs") {
  TwoGuests guests(*xen::flavour_by_name("kvm"));
  CHECK(guests.core.api->cpuid(kVcpu, 0x40000000, 0)->eax == 0x40000004);
  const std::optional<xen::XenCpuidResult> hvm = guests.core.api->cpuid(kVcpu, 0x40000004, 0);
  CHECK(hvm->eax == 0x4f);
  CHECK(hvm->ebx == 1);
  CHECK(hvm->ecx == 0);
  CHECK(guests.core.api->cpuid(kVcpu, 0x40000004, 3)->eax == 0x4f);
  for (const uint32_t subleaf : {0u, 1u, 7u}) {
    const std::optional<xen::XenCpuidResult> time = guests.core.api->cpuid(kVcpu, 0x40000003, subleaf);
    CHECK(time->eax == 1000000);
    CHECK(time->ecx != 0);
  }
}

}  // namespace
}  // namespace xensim
