// ACPI tables for Linux guests (ACPI 6.4, chapters 5 and 20): RSDP, XSDT, FADT, FACS, DSDT, MADT, and what a PVH guest
// of Xen finds there. The same input gives the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/types.h"

namespace xensim::pc {

inline constexpr uint16_t kPmEventPort = 0xb000;    // PM1a event block, 4 bytes
inline constexpr uint16_t kPmControlPort = 0xb004;  // PM1a control block, 2 bytes
inline constexpr uint16_t kPmTimerPort = 0xb008;    // 4 bytes
inline constexpr unsigned kSciGsi = 9;
inline constexpr uint32_t kIoApicBase = 0xfec00000;

struct AcpiOptions {
  Gpa at;  // where the tables will lie: they hold addresses
  uint32_t vcpus = 1;
  uint32_t apic_id_step = 1;  // as BoardConfig's
  bool pc = false;            // a PC: IO-APIC, PM timer, RTC, PCI bus; false: what a PVH guest has, none of these
};

struct AcpiTables {
  std::vector<std::byte> bytes;  // to be put at `at`
  Gpa rsdp;
};

AcpiTables make_acpi_tables(const AcpiOptions& options);

}  // namespace xensim::pc
