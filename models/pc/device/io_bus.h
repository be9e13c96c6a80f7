// Routes port and memory-mapped accesses of one domain to its devices. What no device claims reads as all ones and
// swallows writes, as on a PC's buses.
#pragma once

#include <cstdint>
#include <vector>

#include "models/pc/device/device.h"

namespace xensim::pc {

class IoBus {
 public:
  // `holes_read_zero`: an MMIO read that no device claims gives zeroes, else all ones.
  explicit IoBus(bool holes_read_zero = false) : holes_read_zero_(holes_read_zero) {}

  // The device must outlive the bus. Ranges must not overlap those that are there already (XS_CHECK).
  void attach(PortDevice& device);
  void attach(MmioDevice& device);

  // `bytes` is 1, 2 or 4. An access past port 0xffff is not claimed there.
  uint32_t port_in(uint16_t port, unsigned bytes);
  void port_out(uint16_t port, unsigned bytes, uint32_t value);

  // `bytes` is 1, 2, 4 or 8. An access that leaves a device's range is not claimed at all.
  uint64_t mmio_read(Gpa gpa, unsigned bytes);
  void mmio_write(Gpa gpa, unsigned bytes, uint64_t value);

 private:
  const bool holes_read_zero_;

  struct PortRoute {
    PortRange range;
    PortDevice* device;
  };
  struct MmioRoute {
    MmioRange range;
    MmioDevice* device;
  };

  const PortRoute* find_port(uint32_t port) const;
  const MmioRoute* find_mmio(Gpa gpa, unsigned bytes) const;

  // Glue. A dozen entries: searched one by one.
  std::vector<PortRoute> ports_;
  std::vector<MmioRoute> mmio_;
};

}  // namespace xensim::pc
