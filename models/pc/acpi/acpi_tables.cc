// See acpi_tables.h.
#include "models/pc/acpi/acpi_tables.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>
#include <string_view>

#include "models/pc/acpi/dsdt.h"
#include "models/pc/device/addresses.h"

namespace xensim::pc {
namespace {

constexpr std::string_view kOem = "XENSIM";
constexpr size_t kHeaderBytes = 36;

using Bytes = std::vector<uint8_t>;

void put(Bytes& out, size_t at, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.at(at + i) = static_cast<uint8_t>(value >> 8 * i);
}

uint8_t checksum(const Bytes& bytes, size_t count) {
  return static_cast<uint8_t>(-std::accumulate(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count), 0));
}

// 5.2.6: a table with its header, the checksum still to come.
Bytes table(std::string_view signature, uint8_t revision, size_t bytes) {
  Bytes out(bytes);
  std::copy(signature.begin(), signature.end(), out.begin());
  put(out, 4, bytes, 4);
  out[8] = revision;
  std::copy(kOem.begin(), kOem.end(), out.begin() + 10);
  std::copy_n("XENSIM  ", 8, out.begin() + 16);
  put(out, 24, 1, 4);
  std::copy_n("XSIM", 4, out.begin() + 28);
  put(out, 32, 1, 4);
  return out;
}

void seal(Bytes& out) { out[9] = checksum(out, out.size()); }

void append(Bytes& out, std::initializer_list<uint8_t> bytes) { out.insert(out.end(), bytes); }
void append(Bytes& out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i));
}

// 5.2.12. An id above 254 needs the entry for x2APIC ids.
Bytes make_madt(const AcpiOptions& options) {
  Bytes out = table("APIC", 4, kHeaderBytes);
  append(out, 0xfee00000, 4);
  append(out, 1, 4);  // PCAT_COMPAT: there are two 8259. Xen's tables say so of PVH guests too, which have none.
  for (uint32_t vcpu = 0; vcpu < options.vcpus; ++vcpu) {
    const uint32_t id = vcpu * options.apic_id_step;
    if (id < 255) {
      append(out, {0, 8, static_cast<uint8_t>(vcpu), static_cast<uint8_t>(id)});
      append(out, 1, 4);  // enabled
    } else {
      append(out, {9, 16, 0, 0});
      append(out, id, 4);
      append(out, 1, 4);
      append(out, vcpu, 4);
    }
  }
  if (options.pc) {
    append(out, {1, 12, 1, 0});  // IO-APIC, id 1, GSIs from 0
    append(out, kIoApicBase, 4);
    append(out, 0, 4);
    append(out, {2, 10, 0, 0});  // IRQ 0 is GSI 2
    append(out, 2, 4);
    append(out, 0, 2);
    append(out, {2, 10, 0, kSciGsi});
    append(out, kSciGsi, 4);
    append(out, 0xf, 2);                 // level, active low
    append(out, {4, 6, 0xff, 0, 0, 1});  // LINT1 is NMI
  }
  put(out, 4, out.size(), 4);
  seal(out);
  return out;
}

// 5.2.3.2: a generic address of I/O ports.
void put_ports(Bytes& out, size_t at, uint16_t port, uint8_t bytes) {
  out[at] = 1;
  out[at + 1] = static_cast<uint8_t>(bytes * 8);
  out[at + 3] = bytes == 4 ? 3 : 2;
  put(out, at + 4, port, 8);
}

// 5.2.9. Offsets are those of the table there.
Bytes make_fadt(const AcpiOptions& options, uint64_t facs, uint64_t dsdt) {
  Bytes out = table("FACP", 5, 268);
  put(out, 36, facs, 4);
  put(out, 40, dsdt, 4);
  put(out, 46, kSciGsi, 2);
  put(out, 56, kPmEventPort, 4);
  put(out, 64, kPmControlPort, 4);
  out[88] = 4;             // PM1_EVT_LEN
  out[89] = 2;             // PM1_CNT_LEN
  put(out, 96, 0xfff, 2);  // P_LVL2_LAT: no C2
  put(out, 98, 0xfff, 2);  // P_LVL3_LAT: no C3
  out[108] = 0x32;         // the century in CMOS
  // IAPC_BOOT_ARCH: no 8042; PVH: no VGA and no RTC either.
  put(out, 109, options.pc ? 1 : 1u << 2 | 1u << 5, 2);
  // WBINVD, C1, no power or sleep button; PC: the PM timer is 32 bits wide.
  put(out, 112, 1u | 1u << 2 | 1u << 4 | 1u << 5 | (options.pc ? 1u << 8 : 0), 4);
  put(out, 132, facs, 8);
  put(out, 140, dsdt, 8);
  put_ports(out, 148, kPmEventPort, 4);
  put_ports(out, 172, kPmControlPort, 2);
  if (options.pc) {
    put(out, 76, kPmTimerPort, 4);
    out[91] = 4;  // PM_TMR_LEN
    put_ports(out, 208, kPmTimerPort, 4);
  }
  seal(out);
  return out;
}

Bytes make_facs() {  // 5.2.10: no checksum
  Bytes out(64);
  std::copy_n("FACS", 4, out.begin());
  put(out, 4, 64, 4);
  out[32] = 2;
  return out;
}

Bytes make_rsdp(uint64_t xsdt) {  // 5.2.5.3
  Bytes out(36);
  std::copy_n("RSD PTR ", 8, out.begin());
  std::copy(kOem.begin(), kOem.end(), out.begin() + 9);
  out[15] = 2;
  put(out, 20, 36, 4);
  put(out, 24, xsdt, 8);
  out[8] = checksum(out, 20);
  out[32] = checksum(out, 36);
  return out;
}

// Lays tables one after the other, each on 64 bytes (FACS asks for it).
class Layout {
 public:
  explicit Layout(Gpa at) : at_(at) {}
  uint64_t add(const Bytes& bytes) {
    bytes_.resize((bytes_.size() + 63) & ~size_t{63});
    const uint64_t address = at_.v + bytes_.size();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return address;
  }
  std::vector<std::byte> take() const {
    const auto bytes = std::as_bytes(std::span(bytes_));
    return {bytes.begin(), bytes.end()};
  }

 private:
  Gpa at_;
  Bytes bytes_;
};

}  // namespace

AcpiTables make_acpi_tables(const AcpiOptions& options) {
  Layout layout(options.at);
  Bytes dsdt = table("DSDT", 2, kHeaderBytes);
  const AmlBytes code = make_dsdt(options.pc);
  dsdt.insert(dsdt.end(), code.begin(), code.end());
  put(dsdt, 4, dsdt.size(), 4);
  seal(dsdt);
  const uint64_t dsdt_at = layout.add(dsdt);
  const uint64_t facs_at = layout.add(make_facs());
  const uint64_t fadt_at = layout.add(make_fadt(options, facs_at, dsdt_at));
  const uint64_t madt_at = layout.add(make_madt(options));
  Bytes xsdt = table("XSDT", 1, kHeaderBytes);
  append(xsdt, fadt_at, 8);
  append(xsdt, madt_at, 8);
  put(xsdt, 4, xsdt.size(), 4);
  seal(xsdt);
  const uint64_t rsdp_at = layout.add(make_rsdp(layout.add(xsdt)));
  return {layout.take(), Gpa{rsdp_at}};
}

}  // namespace xensim::pc
