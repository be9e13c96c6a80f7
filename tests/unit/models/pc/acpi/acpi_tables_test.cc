// The ACPI tables as a guest finds them: by the RSDP, every checksum right, every processor listed.
#include "models/pc/acpi/acpi_tables.h"

#include "models/pc/device/addresses.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <span>
#include <string>

#include "models/pc/acpi/aml.h"

using namespace xensim;

namespace {

constexpr Gpa kAt{0xfc000000};

struct Tables {
  explicit Tables(const pc::AcpiOptions& options) : made(pc::make_acpi_tables(options)) {
    const std::byte* rsdp = at(made.rsdp.v);
    REQUIRE(std::memcmp(rsdp, "RSD PTR ", 8) == 0);
    CHECK(sum(rsdp, 20) == 0);
    CHECK(sum(rsdp, 36) == 0);
    const uint64_t xsdt = number<uint64_t>(rsdp + 24);
    add(xsdt);
    for (size_t entry = 36; entry < by_name.at("XSDT").size(); entry += 8) {
      add(number<uint64_t>(by_name.at("XSDT").data() + entry));
    }
    add(number<uint64_t>(by_name.at("FACP").data() + 140));
  }

  const std::byte* at(uint64_t address) const {
    REQUIRE(address >= kAt.v);
    REQUIRE(address < kAt.v + made.bytes.size());
    return made.bytes.data() + (address - kAt.v);
  }
  template <class T>
  static T number(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  static int sum(const std::byte* bytes, size_t count) {
    int sum = 0;
    for (size_t i = 0; i < count; ++i) sum += static_cast<int>(bytes[i]);
    return sum & 0xff;
  }
  void add(uint64_t address) {
    const std::byte* table = at(address);
    const auto size = number<uint32_t>(table + 4);
    CHECK(sum(table, size) == 0);
    by_name[std::string(reinterpret_cast<const char*>(table), 4)] = {table, size};
  }

  pc::AcpiTables made;
  std::map<std::string, std::span<const std::byte>> by_name;
};

// Types of the MADT's entries, with how many there are.
std::map<int, int> madt_entries(const Tables& tables) {
  std::map<int, int> count;
  const auto madt = tables.by_name.at("APIC");
  size_t at = 44;
  while (at < madt.size()) {
    ++count[static_cast<int>(madt[at])];
    at += static_cast<size_t>(madt[at + 1]);
  }
  CHECK(at == madt.size());
  return count;
}

}  // namespace

TEST_CASE("a PVH guest has processors and no PC") {
  const Tables tables({.at = kAt, .vcpus = 4, .apic_id_step = 2});
  CHECK(madt_entries(tables) == std::map<int, int>{{0, 4}});
  const auto madt = tables.by_name.at("APIC");
  CHECK(static_cast<int>(madt[44 + 3 * 8 + 3]) == 6);                           // the APIC id of vCPU 3
  CHECK(Tables::number<uint32_t>(tables.by_name.at("FACP").data() + 76) == 0);  // no PM timer
  CHECK(tables.by_name.at("DSDT").size() == 36);
}

TEST_CASE("a PC has an IO-APIC and a PM timer, ids above 254 are x2APIC's") {
  const Tables tables({.at = kAt, .vcpus = 128, .apic_id_step = 2, .pc = true});
  CHECK(madt_entries(tables) == std::map<int, int>{{0, 128}, {1, 1}, {2, 2}, {4, 1}});
  CHECK(Tables::number<uint32_t>(tables.by_name.at("FACP").data() + 76) == pc::kPmTimerPort);
  CHECK(tables.by_name.at("DSDT").size() > 100);
  const Tables wide({.at = kAt, .vcpus = 128, .apic_id_step = 4});
  CHECK(madt_entries(wide) == std::map<int, int>{{0, 64}, {9, 64}});
}

TEST_CASE("AML: lengths, names, ids") {
  CHECK(pc::aml_eisa_id("PNP0A03") == pc::AmlBytes{0x0c, 0x41, 0xd0, 0x0a, 0x03});
  CHECK(pc::aml_name("\\_SB_") == pc::AmlBytes{'\\', '_', 'S', 'B', '_'});
  CHECK(pc::aml_name("\\_SB_.PCI0") == pc::AmlBytes{'\\', 0x2e, '_', 'S', 'B', '_', 'P', 'C', 'I', '0'});
  CHECK(pc::aml_package({pc::aml_integer(0), pc::aml_integer(0x1234)}) ==
        pc::AmlBytes{0x12, 6, 2, 0, 0x0b, 0x34, 0x12});
  // 0x100 bytes of content: two bytes of length, four bits in the first.
  const pc::AmlBytes scope = pc::aml_scope("ABCD", pc::AmlBytes(0xfc));
  CHECK(scope.size() == 1 + 2 + 0x100);
  CHECK(scope[1] == (1 << 6 | 2));
  CHECK(scope[2] == 0x10);
}
