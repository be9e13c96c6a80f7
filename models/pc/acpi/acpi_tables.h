// ACPI tables for Linux guests (ACPI 6.4, chapters 5 and 20): RSDP, XSDT, FADT, FACS, DSDT, MADT, and what a PVH guest
// of Xen finds there. The same input gives the same bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "models/base/types.h"

namespace xensim::pc {

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
