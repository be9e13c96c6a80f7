// See dsdt.h. Resource descriptors: ACPI 6.4, 6.4.
#include "models/pc/acpi/dsdt.h"

#include "models/pc/device/platform_pci.h"

namespace xensim::pc {
namespace {

AmlBytes little_endian(uint64_t value, unsigned bytes) {
  AmlBytes out;
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
  return out;
}

AmlBytes io_ports(uint16_t first, uint8_t count) {  // 6.4.2.5, decodes 16 bits
  return AmlBytes{0x47, 1} + little_endian(first, 2) + little_endian(first, 2) + AmlBytes{1, count};
}

AmlBytes isa_irq(unsigned irq) { return AmlBytes{0x22} + little_endian(1u << irq, 2); }  // 6.4.2.1

AmlBytes resources(const AmlBytes& descriptors) { return aml_buffer(descriptors + AmlBytes{0x79, 0}); }

// 6.4.3.5: type 0 memory, 1 I/O ports, 2 bus numbers; all fixed, positively decoded.
AmlBytes word_space(uint8_t type, uint8_t flags, uint16_t first, uint16_t last) {
  return AmlBytes{0x88} + little_endian(13, 2) + AmlBytes{type, 0x0c, flags} + little_endian(0, 2) +
         little_endian(first, 2) + little_endian(last, 2) + little_endian(0, 2) +
         little_endian(uint64_t{last} - first + 1, 2);
}

AmlBytes dword_memory(uint32_t first, uint32_t last) {
  return AmlBytes{0x87} + little_endian(23, 2) + AmlBytes{0, 0x0c, 0x01} + little_endian(0, 4) +
         little_endian(first, 4) + little_endian(last, 4) + little_endian(0, 4) +
         little_endian(uint64_t{last} - first + 1, 4);
}

AmlBytes isa_device(std::string_view name, std::string_view id, const AmlBytes& descriptors) {
  return aml_device(name, aml_named("_HID", aml_eisa_id(id)) + aml_named("_CRS", resources(descriptors)));
}

AmlBytes isa_bridge() {
  const AmlBytes serial =
      aml_device("COM1", aml_named("_HID", aml_eisa_id("PNP0501")) + aml_named("_UID", aml_integer(1)) +
                             aml_named("_CRS", resources(io_ports(0x3f8, 8) + isa_irq(4))));
  return aml_device("ISA_", aml_named("_ADR", aml_integer(0x00010000)) +
                                isa_device("RTC_", "PNP0B00", io_ports(0x70, 2) + isa_irq(8)) +
                                isa_device("TMR_", "PNP0100", io_ports(0x40, 4) + isa_irq(0)) +
                                isa_device("PIC_", "PNP0000", io_ports(0x20, 2) + io_ports(0xa0, 2) + isa_irq(2)) +
                                serial);
}

// _PRT: pin INTA of the platform device.
AmlBytes routing() {
  const AmlBytes entry = aml_package({aml_integer(uint64_t{kPlatformPciSlot} << 16 | 0xffff), aml_integer(0),
                                      aml_integer(0), aml_integer(kPlatformPciGsi)});
  return aml_named("_PRT", aml_package({entry}));
}

AmlBytes pci_bus() {
  const AmlBytes windows = word_space(2, 0, 0, 0xff) + io_ports(0xcf8, 8) + word_space(1, 3, 0, 0xcf7) +
                           word_space(1, 3, 0xd00, 0xffff) + dword_memory(kPciMemoryFirst, kPciMemoryLast);
  return aml_device("PCI0", aml_named("_HID", aml_eisa_id("PNP0A03")) + aml_named("_UID", aml_integer(0)) +
                                aml_named("_ADR", aml_integer(0)) + aml_named("_CRS", resources(windows)) + routing() +
                                isa_bridge());
}

}  // namespace

AmlBytes make_dsdt(bool pc) {
  const AmlBytes zero = aml_integer(0);
  const AmlBytes s5 = aml_named("\\_S5_", aml_package({zero, zero, zero, zero}));
  return pc ? s5 + aml_scope("\\_SB_", pci_bus()) : AmlBytes{};
}

}  // namespace xensim::pc
