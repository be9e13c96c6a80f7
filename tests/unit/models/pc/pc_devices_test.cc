// A PC's chipset, device by device and tick by tick.
#include "models/pc/pc_devices.h"

#include <doctest/doctest.h>

#include "models/pc/device/addresses.h"
#include "models/pc/load/linux_boot.h"
#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::pc;
using test::Effects;
using test::FakeMachine;

namespace {

constexpr uint64_t kEpoch = 1'550'620'800;  // 2019-02-20T00:00:00Z, a Wednesday

// A board with the chipset and one vCPU, its APIC on.
struct Pc {
  FakeMachine machine;
  Board board{BoardConfig{.vcpus = 1, .pc = true, .epoch_s = kEpoch}, machine};

  Pc() {
    board.mmio_write(VcpuId{0}, Gpa{kApicDefaultBase.v + 0xf0}, 4, 0x1ff);
    machine.effects();
  }
  uint32_t in(uint16_t port, unsigned bytes = 1) { return board.port_in(port, bytes); }
  void out(uint16_t port, uint32_t value, unsigned bytes = 1) { board.port_out(port, bytes, value); }
  void redirect(unsigned pin, uint32_t low) {
    board.mmio_write(VcpuId{0}, Gpa{kIoApicBase}, 4, 0x10 + 2 * pin);
    board.mmio_write(VcpuId{0}, Gpa{kIoApicBase + 0x10}, 4, low);
  }
  uint32_t entry(unsigned pin) {
    board.mmio_write(VcpuId{0}, Gpa{kIoApicBase}, 4, 0x10 + 2 * pin);
    return static_cast<uint32_t>(board.mmio_read(VcpuId{0}, Gpa{kIoApicBase + 0x10}, 4));
  }
  // Channel 0 of the PIT, low byte first, in mode 2.
  void load_pit(uint16_t count) {
    out(0x43, 0x34);
    out(0x40, count & 0xff);
    out(0x40, count >> 8);
  }
  std::vector<std::byte> saved() {
    std::vector<std::byte> bytes;
    board.save(bytes);
    return bytes;
  }
  uint8_t taken() { return board.apic(VcpuId{0}).acknowledge().value_or(0); }
  void eoi() { board.mmio_write(VcpuId{0}, Gpa{kApicDefaultBase.v + 0xb0}, 4, 0); }
  uint8_t cmos(uint8_t index) {
    out(0x70, index);
    return static_cast<uint8_t>(in(0x71));
  }
  uint32_t config(unsigned device, unsigned offset, unsigned bytes = 4) {
    out(0xcf8, 1u << 31 | device << 11 | (offset & 0xfc), 4);
    return in(static_cast<uint16_t>(0xcfc + (offset & 3)), bytes);
  }
};

}  // namespace

TEST_CASE("IO-APIC: an edge is delivered once, and lost while masked") {
  Pc pc;
  pc.redirect(5, 0x10031);
  pc.board.set_gsi(5, true);
  CHECK(pc.taken() == 0);
  pc.board.set_gsi(5, false);
  pc.redirect(5, 0x31);
  CHECK(pc.taken() == 0);
  pc.board.set_gsi(5, true);
  CHECK(pc.taken() == 0x31);
  pc.eoi();
  CHECK(pc.taken() == 0);
}

TEST_CASE("IO-APIC: a level comes again after the end of its interrupt while the line is up") {
  Pc pc;
  pc.board.set_gsi(kPlatformPciGsi, true);
  pc.redirect(kPlatformPciGsi, 0x8041);
  CHECK(pc.taken() == 0x41);
  CHECK((pc.entry(kPlatformPciGsi) & 1u << 14) != 0);
  pc.eoi();
  CHECK(pc.taken() == 0x41);
  pc.board.set_gsi(kPlatformPciGsi, false);
  pc.eoi();
  CHECK(pc.taken() == 0);
  CHECK((pc.entry(kPlatformPciGsi) & 1u << 14) == 0);
}

TEST_CASE("IO-APIC: version, id, and a pin that is not there") {
  Pc pc;
  pc.board.mmio_write(VcpuId{0}, Gpa{kIoApicBase}, 4, 1);
  CHECK(pc.board.mmio_read(VcpuId{0}, Gpa{kIoApicBase + 0x10}, 4) == 0x002f0011);
  pc.board.set_gsi(1000, true);
  CHECK(pc.entry(48) == 0);
}

TEST_CASE("PIT: channel 0 ticks through the IO-APIC's pin 2") {
  Pc pc;
  pc.redirect(2, 0x30);
  pc.out(0x43, 0x34);
  pc.out(0x40, 0xa9);  // 1193: about a millisecond
  pc.out(0x40, 0x04);
  REQUIRE(pc.machine.timers.count(kPitTimer) == 1);
  CHECK(pc.machine.timers[kPitTimer].v == 999'848);
  pc.machine.time = pc.machine.timers[kPitTimer];
  pc.board.timer_expired(kPitTimer);
  CHECK(pc.taken() == 0x30);
  CHECK(pc.machine.timers[kPitTimer].v == 1'999'695);
}

TEST_CASE("PIT: counts down by the virtual time, channel 2's output shows at port 0x61") {
  Pc pc;
  pc.out(0x61, 1);
  pc.out(0x43, 0xb0);
  pc.out(0x42, 0x00);
  pc.out(0x42, 0x10);  // 4096 ticks
  CHECK((pc.in(0x61) & 0x20) == 0);
  pc.machine.time = VirtualNs{1'000'000};  // 1193 ticks
  pc.out(0x43, 0x80);
  const uint32_t low = pc.in(0x42), high = pc.in(0x42);
  CHECK((high << 8 | low) == 4096 - 1193);
  pc.machine.time = VirtualNs{4'000'000};
  CHECK((pc.in(0x61) & 0x20) != 0);
}

TEST_CASE("RTC: the date of the epoch in BCD and binary, and time going on") {
  Pc pc;
  CHECK(pc.cmos(9) == 0x19);
  CHECK(pc.cmos(0x32) == 0x20);
  CHECK(pc.cmos(8) == 0x02);
  CHECK(pc.cmos(7) == 0x20);
  CHECK(pc.cmos(6) == 4);
  pc.machine.time = VirtualNs{45'296'000'000'000};  // 12:34:56
  CHECK(pc.cmos(4) == 0x12);
  CHECK(pc.cmos(2) == 0x34);
  CHECK(pc.cmos(0) == 0x56);
  pc.out(0x70, 0xb);
  pc.out(0x71, 0x06);
  CHECK(pc.cmos(0) == 56);
  CHECK((pc.cmos(0xa) & 0x80) == 0);
  pc.machine.time = VirtualNs{pc.machine.time.v + 999'900'000};
  CHECK((pc.cmos(0xa) & 0x80) != 0);
  pc.out(0x70, 0x40);
  pc.out(0x71, 0x5a);
  CHECK(pc.cmos(0x40) == 0x5a);
}

TEST_CASE("ACPI: the PM timer's frequency, SCI_EN, and S5 powers off") {
  Pc pc;
  CHECK((pc.in(kPmControlPort, 2) & 1) == 1);
  pc.machine.time = VirtualNs{1'000'000'000};
  CHECK(pc.in(kPmTimerPort, 4) == 3'579'545);
  pc.out(kPmControlPort, 1u << 13 | 5u << 10, 2);
  CHECK(pc.machine.effects().empty());
  pc.out(kPmControlPort, 1u << 13, 2);
  CHECK(pc.machine.effects() == Effects{"power off 0"});
}

TEST_CASE("resets: the keyboard controller's pulse and port 0xcf9") {
  Pc pc;
  CHECK(pc.in(0x64) == 0);
  pc.out(0x64, 0xfe);
  CHECK(pc.machine.effects() == Effects{"reset 0"});
  pc.out(0xcf9, 2);
  CHECK(pc.machine.effects().empty());
  pc.out(0xcf9, 6);
  CHECK(pc.machine.effects() == Effects{"reset 0"});
}

TEST_CASE("PIC: probing finds masks that hold, status by OCW3") {
  Pc pc;
  pc.out(0x20, 0x11);
  pc.out(0x21, 0x30);
  pc.out(0x21, 0x04);
  pc.out(0x21, 0x01);
  pc.out(0x21, 0xfb);
  CHECK(pc.in(0x21) == 0xfb);
  CHECK(pc.in(0xa1) == 0);
  pc.board.set_gsi(4, true);
  CHECK(pc.in(0x20) == 0x10);
  pc.out(0x20, 0x0b);
  CHECK(pc.in(0x20) == 0);
}

TEST_CASE("PCI: bridges and the platform device, BAR sizing, absent functions") {
  Pc pc;
  CHECK(pc.config(0, 0) == 0x12378086);
  CHECK(pc.config(1, 0) == 0x70008086);
  CHECK(pc.config(kPlatformPciSlot, 0) == 0x00015853);
  CHECK(pc.config(kPlatformPciSlot, 2, 2) == 0x0001);
  CHECK(pc.config(kPlatformPciSlot, 0x3c, 1) == kPlatformPciGsi);
  CHECK(pc.config(5, 0) == 0xffffffff);
  pc.config(kPlatformPciSlot, 0x14);
  pc.out(0xcfc, 0xffffffff, 4);
  CHECK(pc.config(kPlatformPciSlot, 0x14) == 0xff000008);
  pc.out(0xcf8, 0, 4);
  CHECK(pc.in(0xcfc, 4) == 0xffffffff);
}

TEST_CASE("Xen platform device: magic, protocol, unplug, log") {
  Pc pc;
  CHECK(pc.in(0x10, 2) == 0x49d2);
  CHECK(pc.in(0x12) == 1);
  pc.out(0x10, 3, 2);
  pc.out(0x12, 'h');
  pc.out(0x12, '\n');
  CHECK(pc.machine.console[ConsoleSource::kPort12] == "h\n");
}

TEST_CASE("the chipset saves and restores") {
  Pc pc;
  pc.redirect(7, 0x8055);
  pc.load_pit(0x201);
  const std::vector<std::byte> saved = pc.saved();
  Pc other;
  std::span<const std::byte> in(saved);
  REQUIRE(other.board.restore(in).has_value());
  CHECK(in.empty());
  CHECK(other.entry(7) == 0x8055);
  // What was asked above selected another register.
  pc.entry(7);
  CHECK(pc.saved() == other.saved());
}

TEST_CASE("a saved PIT that was loaded in a time to come is refused by the field's name") {
  Pc pc;
  pc.machine.time = VirtualNs{1000};
  pc.load_pit(0x201);
  const std::vector<std::byte> saved = pc.saved();
  Pc other;
  other.machine.time = VirtualNs{999};
  std::span<const std::byte> in(saved);
  const Status status = other.board.restore(in);
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().message == "saved PIT: channel 0's loaded_at cannot be");
  other.machine.time = VirtualNs{1000};
  in = saved;
  CHECK(other.board.restore(in).has_value());
}
