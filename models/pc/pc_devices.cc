// See pc_devices.h.
#include "models/pc/pc_devices.h"

namespace xensim::pc {

// Host bridge and ISA bridge are those of an Intel 440FX.
PcDevices::PcDevices(const Client& client, ApicBus& apic_bus, uint64_t epoch_s, uint8_t io_apic_id)
    : io_apic_(apic_bus, kXenIoApic, io_apic_id),
      pit_(client.clock, client.timers, *this, kPitTimer),
      rtc_(client.clock, epoch_s),
      pm_(client.clock, client.power),
      keyboard_(client.power),
      bridge_({.vendor = 0x8086, .device = 0x1237, .class_and_revision = 0x06000002}),
      isa_({.vendor = 0x8086, .device = 0x7000, .class_and_revision = 0x06010000}),
      platform_(client.console),
      pci_(client.power) {
  pci_.attach(0, 0, bridge_);
  pci_.attach(1, 0, isa_);
  pci_.attach(kPlatformPciSlot, 0, platform_.function());
}

void PcDevices::attach_to(IoBus& bus) {
  bus.attach(static_cast<MmioDevice&>(io_apic_));
  bus.attach(pic_);
  bus.attach(pit_);
  bus.attach(rtc_);
  bus.attach(pm_);
  bus.attach(keyboard_);
  bus.attach(platform_);
  bus.attach(pci_);
}

void PcDevices::set_irq(unsigned irq, bool level) {
  pic_.set_irq(irq, level);
  io_apic_.set_irq(irq == kPitIrq ? 2 : irq, level);  // as the MADT says
}

void PcDevices::save(std::vector<std::byte>& out) const {
  io_apic_.save(out);
  pic_.save(out);
  pit_.save(out);
  rtc_.save(out);
  pm_.save(out);
  bridge_.save(out);
  isa_.save(out);
  platform_.save(out);
  pci_.save(out);
}

Status PcDevices::restore(std::span<const std::byte>& in) {
  for (SavedDevice* device :
       std::initializer_list<SavedDevice*>{&io_apic_, &pic_, &pit_, &rtc_, &pm_, &bridge_, &isa_, &platform_, &pci_}) {
    XS_TRY_STATUS(device->restore(in));
  }
  return {};
}

}  // namespace xensim::pc
