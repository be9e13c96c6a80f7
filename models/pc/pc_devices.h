// A PC's chipset, as Xen's HVM guests have it: the devices that a bare board lacks, wired to each other. Owned by the
// board.
#pragma once

#include "models/pc/device/acpi_pm.h"
#include "models/pc/device/i8042.h"
#include "models/pc/device/io_apic.h"
#include "models/pc/device/io_bus.h"
#include "models/pc/device/pci_host.h"
#include "models/pc/device/pic_8259.h"
#include "models/pc/device/pit_8254.h"
#include "models/pc/device/platform_pci.h"
#include "models/pc/device/rtc_cmos.h"

namespace xensim::pc {

inline constexpr uint32_t kPitTimer = 256;  // its number at DeviceTimers: those below are local APICs'

class PcDevices final : public InterruptLines, public SavedDevice {
 public:
  struct Client {
    const Clock& clock;
    DeviceTimers& timers;
    ConsoleSink& console;
    PowerClient& power;
  };
  PcDevices(const Client& client, ApicBus& apic_bus, uint64_t epoch_s, uint8_t io_apic_id);

  void attach_to(IoBus& bus);
  // An ISA interrupt, to both controllers; 16 and above: a GSI, of the IO-APIC alone.
  void set_irq(unsigned irq, bool level) override;
  void end_of_interrupt(uint8_t vector) { io_apic_.end_of_interrupt(vector); }
  void timer_expired() { pit_.timer_expired(); }

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  IoApic io_apic_;
  Pic8259 pic_;
  Pit8254 pit_;
  RtcCmos rtc_;
  AcpiPm pm_;
  I8042 keyboard_;
  PciFunction bridge_;
  PciFunction isa_;
  PlatformPci platform_;
  PciHost pci_;
};

}  // namespace xensim::pc
