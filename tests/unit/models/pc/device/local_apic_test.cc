// The local APIC: priorities, IPIs, modes, registers, against what the SDM says.
#include "models/pc/device/local_apic.h"

#include <doctest/doctest.h>

#include <memory>

#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

constexpr uint64_t kTpr = 0x80, kPpr = 0xa0, kEoi = 0xb0, kLdr = 0xd0, kDfr = 0xe0, kSvr = 0xf0, kIsr = 0x100,
                   kTmr = 0x180, kIrr = 0x200;
constexpr uint64_t kEsr = 0x280, kIcrLow = 0x300, kIcrHigh = 0x310, kLvtTimer = 0x320, kLvtError = 0x370,
                   kInitial = 0x380, kCurrent = 0x390;
constexpr uint32_t kOthers = 3u << 18, kAll = 2u << 18, kSelf = 1u << 18, kLogical = 1u << 11, kAssert = 1u << 14;

// Four APICs with ids 0, 2, 4, 6, software-enabled.
struct Fixture {
  FakeMachine machine;
  ApicBus bus;
  std::vector<std::unique_ptr<LocalApic>> apics;

  Fixture() {
    for (uint32_t i = 0; i < 4; ++i) {
      const ApicConfig config{.vcpu = VcpuId{i}, .apic_id = 2 * i, .bootstrap = i == 0};
      apics.push_back(std::make_unique<LocalApic>(config, bus, machine, machine, machine));
      write(i, kSvr, 0x1ff);
    }
    machine.effects();
  }

  LocalApic& apic(unsigned i) { return *apics[i]; }
  void write(unsigned i, uint64_t offset, uint32_t value) { apic(i).mmio_write(offset, 4, value); }
  uint32_t read(unsigned i, uint64_t offset) { return static_cast<uint32_t>(apic(i).mmio_read(offset, 4)); }
  uint32_t errors(unsigned i) {
    write(i, kEsr, 0);
    return read(i, kEsr);
  }
  bool requested(unsigned i, unsigned vector) { return ((read(i, kIrr + vector / 32 * 16) >> (vector % 32)) & 1) != 0; }
  void send(unsigned i, uint32_t destination, uint32_t low) {
    write(i, kIcrHigh, destination << 24);
    write(i, kIcrLow, low);
  }
  void enter_x2apic(unsigned i) {
    REQUIRE(apic(i).wrmsr(kMsrApicBase, *apic(i).rdmsr(kMsrApicBase) | kApicBaseX2apic));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "registers after power-up") {
  LocalApic fresh({.vcpu = VcpuId{9}, .apic_id = 18}, bus, machine, machine, machine);
  const auto get = [&fresh](uint64_t offset) { return static_cast<uint32_t>(fresh.mmio_read(offset, 4)); };
  CHECK(get(0x20) == 18u << 24);
  CHECK(get(0x30) == 0x50014);
  CHECK(get(kSvr) == 0xff);
  CHECK(get(kDfr) == 0xffffffff);
  for (uint64_t lvt = kLvtTimer; lvt <= kLvtError; lvt += 0x10) CHECK(get(lvt) == 0x10000);
  CHECK(fresh.rdmsr(kMsrApicBase) == 0xfee00800);
  CHECK(apic(0).rdmsr(kMsrApicBase) == 0xfee00900);
}

TEST_CASE_FIXTURE(Fixture, "priorities decide what is delivered, EOI what is next") {
  LocalApic& a = apic(0);
  a.assert_vector(0x31);
  a.assert_vector(0x45);
  CHECK(machine.effects() == Effects{"ready 0", "ready 0"});
  CHECK(a.acknowledge() == 0x45);
  CHECK(read(0, kPpr) == 0x40);
  CHECK(((read(0, kIsr + 0x20) >> 5) & 1) == 1);
  CHECK_FALSE(a.has_deliverable());  // 0x31 is below what is in service
  a.assert_vector(0x4f);             // the same class
  CHECK_FALSE(a.acknowledge().has_value());
  a.assert_vector(0x50);
  CHECK(a.acknowledge() == 0x50);
  write(0, kEoi, 0);
  CHECK(read(0, kPpr) == 0x40);
  write(0, kEoi, 0);
  CHECK(a.acknowledge() == 0x4f);
  write(0, kEoi, 0);
  CHECK(a.acknowledge() == 0x31);
  write(0, kEoi, 0);
  write(0, kEoi, 0);  // nothing in service: no effect
  CHECK_FALSE(a.has_deliverable());
}

TEST_CASE_FIXTURE(Fixture, "the task priority holds interrupts back") {
  LocalApic& a = apic(0);
  write(0, kTpr, 0x40);
  a.assert_vector(0x4f);
  CHECK_FALSE(a.has_deliverable());
  CHECK(machine.effects().empty());
  CHECK(a.cr8() == 4);
  a.set_cr8(3);
  CHECK(machine.effects() == Effects{"ready 0"});
  CHECK(read(0, kTpr) == 0x30);
  CHECK(a.acknowledge() == 0x4f);
}

TEST_CASE_FIXTURE(Fixture, "a software-disabled APIC ignores interrupts and masks its table") {
  write(1, kLvtTimer, 0x40);
  CHECK(read(1, kLvtTimer) == 0x40);
  apic(1).assert_vector(0x50);
  write(1, kSvr, 0xff);
  CHECK(read(1, kLvtTimer) == 0x10040);
  write(1, kLvtTimer, 0x40);
  CHECK(read(1, kLvtTimer) == 0x10040);
  machine.effects();
  apic(1).assert_vector(0x60);
  send(0, 2, 0x61);
  CHECK(machine.effects().empty());
  CHECK_FALSE(apic(1).has_deliverable());  // 0x50 is held
  write(1, kSvr, 0x1ff);
  CHECK(machine.effects() == Effects{"enabled 1", "ready 1"});
  CHECK(apic(1).acknowledge() == 0x50);
  CHECK_FALSE(requested(1, 0x60));
}

TEST_CASE_FIXTURE(Fixture, "physical destinations and shorthands") {
  send(0, 4, 0x41);
  CHECK(machine.effects() == Effects{"ready 2"});
  send(0, 0xff, 0x42);
  CHECK(machine.effects() == Effects{"ready 0", "ready 1", "ready 2", "ready 3"});
  send(1, 0, kOthers | 0x43);
  CHECK(machine.effects() == Effects{"ready 0", "ready 2", "ready 3"});
  send(1, 0, kAll | 0x44);
  CHECK(machine.effects() == Effects{"ready 0", "ready 1", "ready 2", "ready 3"});
  send(1, 0, kSelf | 0x45);
  CHECK(machine.effects() == Effects{"ready 1"});
  send(1, 5, 0x46);  // nobody has it
  CHECK(machine.effects().empty());
}

TEST_CASE_FIXTURE(Fixture, "logical destinations, flat and cluster") {
  for (unsigned i = 0; i < 4; ++i) write(i, kLdr, (1u << i) << 24);
  send(0, 0b1010, kLogical | 0x41);
  CHECK(machine.effects() == Effects{"ready 1", "ready 3"});
  for (unsigned i = 0; i < 4; ++i) {
    write(i, kDfr, 0x0fffffff);
    write(i, kLdr, (((i / 2) << 4) | (1u << (i % 2))) << 24);
  }
  send(0, 0x13, kLogical | 0x42);
  CHECK(machine.effects() == Effects{"ready 2", "ready 3"});
  send(0, 0x02, kLogical | 0x43);
  CHECK(machine.effects() == Effects{"ready 1"});
  send(0, 0xff, kLogical | 0x44);
  CHECK(machine.effects().size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "lowest priority goes to one: the least busy, the first of them") {
  write(0, kTpr, 0x30);
  write(1, kTpr, 0x20);
  write(2, kTpr, 0x20);
  write(3, kTpr, 0x30);
  machine.effects();
  send(0, 0xff, 0x151);
  CHECK(machine.effects() == Effects{"ready 1"});
  write(1, kSvr, 0xff);
  send(0, 0xff, 0x152);
  CHECK(machine.effects() == Effects{"ready 2"});
}

TEST_CASE_FIXTURE(Fixture, "NMI, INIT and SIPI reach their targets, reserved modes nobody") {
  send(0, 2, 0x400);
  CHECK(machine.effects() == Effects{"nmi 1"});
  write(1, kTpr, 0x50);
  send(0, 2, 0x500 | kAssert | 0x8000);
  CHECK(machine.effects() == Effects{"init 1"});
  CHECK(read(1, kTpr) == 0);
  CHECK(read(1, kSvr) == 0xff);
  send(0, 2, 0x500 | 0x8000);  // INIT level de-assert
  CHECK(machine.effects().empty());
  send(0, 2, 0x600 | 0x09);
  CHECK(machine.effects() == Effects{"startup 1 9"});
  send(0, 0, 0x600 | kOthers | 0x08);
  CHECK(machine.effects() == Effects{"startup 1 8", "startup 2 8", "startup 3 8"});
  send(0, 0, 0x500 | kAll | kAssert);  // never the sender itself
  CHECK(machine.effects() == Effects{"init 1", "init 2", "init 3"});
  for (const uint32_t mode : {0x200u, 0x300u, 0x700u}) send(0, 2, mode | 0x40);
  CHECK(machine.effects().empty());
  CHECK((read(0, kIcrLow) & (1u << 12)) == 0);
}

TEST_CASE_FIXTURE(Fixture, "errors latch on a write of the error register, and raise its interrupt once") {
  write(0, kLvtError, 0xfe);
  machine.effects();
  send(0, 2, 0x0f);
  CHECK(machine.effects() == Effects{"ready 0"});
  CHECK(requested(0, 0xfe));
  CHECK(read(0, kEsr) == 0);
  send(0, 2, 0x0f);
  CHECK(machine.effects().empty());  // already pending
  apic(0).assert_vector(5);
  apic(0).mmio_read(0x40, 4);
  CHECK(errors(0) == 0xe0);
  CHECK(errors(0) == 0);
  write(0, kLvtError, 3);  // a bad vector for the error itself
  write(0, 0x40, 1);
  CHECK(errors(0) == 0xc0);
}

TEST_CASE("Xen's error register says at once what was wrong, and is never cleared") {
  FakeMachine machine;
  ApicBus bus;
  LocalApic a({.vcpu = VcpuId{0}, .quirks = {.errors = ApicErrors::kSticky}}, bus, machine, machine, machine);
  a.mmio_write(kSvr, 4, 0x1ff);
  a.mmio_write(kLvtError, 4, 0xfe);
  machine.effects();
  a.mmio_read(0x40, 4);  // there is no such register
  a.mmio_write(kIcrLow, 4, kSelf | 3);
  CHECK(machine.effects() == Effects{"ready 0"});
  CHECK(a.mmio_read(kEsr, 4) == 0x20);
  a.mmio_write(kEsr, 4, 0);
  CHECK(a.mmio_read(kEsr, 4) == 0x20);
  a.mmio_write(kIcrLow, 4, kSelf | 3);
  CHECK(machine.effects().empty());
}

TEST_CASE_FIXTURE(Fixture, "MMIO outside the 32-bit registers") {
  CHECK(apic(1).mmio_read(0x23, 1) == 2);  // the id's top byte
  CHECK(apic(1).mmio_read(0x24, 4) == 0);
  CHECK(apic(1).mmio_read(0x20, 8) == 0);
  apic(1).mmio_write(kTpr, 1, 0x50);
  apic(1).mmio_write(kTpr + 4, 4, 0x50);
  CHECK(read(1, kTpr) == 0);
}

TEST_CASE_FIXTURE(Fixture, "the modes of APIC_BASE") {
  constexpr uint64_t kBase = 0xfee00000, kX = kApicBaseEnable, kX2 = kApicBaseEnable | kApicBaseX2apic;
  LocalApic& a = apic(1);
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kApicBaseX2apic));
  CHECK_FALSE(a.wrmsr(kMsrApicBase, 0xfed00000 | kX));
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX | uint64_t{1} << 40));  // beyond the physical addresses
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX | 0x200));
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX | 1));
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX | uint64_t{1} << 52));
  write(1, kTpr, 0x20);
  CHECK(a.wrmsr(kMsrApicBase, kBase | kX2));
  CHECK(a.rdmsr(0x808) == 0x20);
  CHECK(a.mmio_read(0x20, 4) == ~uint64_t{0});
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX));
  CHECK(a.wrmsr(kMsrApicBase, kBase));
  CHECK_FALSE(a.hardware_enabled());
  CHECK_FALSE(a.rdmsr(0x808).has_value());
  CHECK_FALSE(a.wrmsr(kMsrApicBase, kBase | kX2));
  send(0, 2, 0x400);  // hears nothing
  CHECK(machine.effects().empty());
  CHECK(a.wrmsr(kMsrApicBase, kBase | kX));
  CHECK(read(1, kTpr) == 0);

  LocalApic old({.vcpu = VcpuId{8}, .apic_id = 16, .x2apic = false}, bus, machine, machine, machine);
  CHECK_FALSE(old.wrmsr(kMsrApicBase, kBase | kX2));
}

TEST_CASE_FIXTURE(Fixture, "x2APIC registers: who may be read and written") {
  CHECK_FALSE(apic(3).rdmsr(0x802).has_value());
  for (unsigned i = 0; i < 4; ++i) enter_x2apic(i);
  LocalApic& a = apic(3);
  machine.effects();
  CHECK(a.rdmsr(0x802) == 6);
  CHECK(a.rdmsr(0x80d) == (1u << 6));
  const auto readable = [](uint32_t i) {
    return i == 2 || i == 3 || i == 8 || i == 0xa || i == 0xd || i == 0xf || (i >= 0x10 && i <= 0x28) || i == 0x30 ||
           (i >= 0x32 && i <= 0x39) || i == 0x3e;
  };
  const auto writable = [](uint32_t i) {
    return i == 8 || i == 0xb || i == 0xf || i == 0x28 || (i >= 0x32 && i <= 0x38) || i == 0x3e;
  };
  for (uint32_t i = 0; i <= 0xff; ++i) {
    CAPTURE(i);
    CHECK(a.rdmsr(0x800 + i).has_value() == readable(i));
    if (i != 0x30 && i != 0x3f) CHECK(a.wrmsr(0x800 + i, 0) == writable(i));
    if (i != 0x30) CHECK_FALSE(a.wrmsr(0x800 + i, uint64_t{1} << 32));
  }
  REQUIRE(a.wrmsr(0x80f, 0x1ff));
  machine.effects();
  CHECK_FALSE(a.wrmsr(0x808, 0x100));
  CHECK_FALSE(a.wrmsr(0x80f, 0x400));
  CHECK_FALSE(a.wrmsr(0x832, 1u << 11));
  CHECK_FALSE(a.wrmsr(0x830, 1u << 13));
  CHECK_FALSE(a.wrmsr(0x83e, 4));
  CHECK_FALSE(a.wrmsr(0x80b, 1));
  CHECK(a.wrmsr(0x830, (uint64_t{4} << 32) | 0x41));
  CHECK(machine.effects() == Effects{"ready 2"});
  CHECK(a.rdmsr(0x830) == ((uint64_t{4} << 32) | 0x41));
  CHECK(a.wrmsr(0x830, (uint64_t{0xffffffff} << 32) | 0x42));
  CHECK(machine.effects().size() == 4);
  CHECK(a.wrmsr(0x830, (uint64_t{0x44} << 32) | kLogical | 0x43));  // bits 2 and 6: ids 2 and 6
  CHECK(machine.effects() == Effects{"ready 1", "ready 3"});
  CHECK(a.wrmsr(0x83f, 0x51));
  CHECK(machine.effects() == Effects{"ready 3"});
  CHECK(a.wrmsr(0x83f, 2));
  CHECK(a.wrmsr(0x828, 0));
  CHECK(a.rdmsr(0x828) == 0x20);
}

TEST_CASE_FIXTURE(Fixture, "the timer interrupts unless it is masked") {
  write(2, 0x3e0, 0xb);
  write(2, kLvtTimer, 0x60);
  write(2, kInitial, 100);
  CHECK(machine.timers.at(2).v == 100);
  machine.time = VirtualNs{100};
  apic(2).timer_expired();
  CHECK(apic(2).acknowledge() == 0x60);
  write(2, kLvtTimer, 0x10060);
  write(2, kInitial, 100);
  machine.time = VirtualNs{200};
  apic(2).timer_expired();
  CHECK_FALSE(requested(2, 0x60));
  write(2, kLvtTimer, 0x40060);
  CHECK(apic(2).wrmsr(kMsrTscDeadline, 250));
  CHECK(apic(2).rdmsr(kMsrTscDeadline) == 250);
  machine.time = VirtualNs{250};
  apic(2).timer_expired();
  CHECK(requested(2, 0x60));
  CHECK(apic(2).rdmsr(kMsrTscDeadline) == 0);
}

TEST_CASE_FIXTURE(Fixture, "INIT leaves the mode alone") {
  enter_x2apic(1);
  send(0, 2, 0x500 | kAssert);
  CHECK(apic(1).x2apic_mode());
  CHECK(apic(1).rdmsr(0x80d) == 4);
}

TEST_CASE_FIXTURE(Fixture, "the trigger mode follows the last request, and a level's end alone goes to the IO-APICs") {
  std::vector<unsigned> ended;
  bus.set_end_of_interrupt([&](uint8_t vector) { ended.push_back(vector); });
  const auto level = [&](unsigned vector) { return (read(0, kTmr + vector / 32 * 16) >> (vector % 32) & 1) != 0; };
  ApicMessage message{.vector = 0x41, .level = true, .destination = 0};
  bus.send_from_device(message);
  bus.send_from_device({.vector = 0x62, .destination = 0});
  CHECK(level(0x41));
  CHECK_FALSE(level(0x62));
  CHECK(apic(0).acknowledge() == 0x62);
  write(0, kEoi, 0);
  CHECK(ended.empty());
  CHECK(apic(0).acknowledge() == 0x41);
  CHECK(level(0x41));  // until the next request of the vector
  write(0, kEoi, 0);
  CHECK(ended == std::vector<unsigned>{0x41});
  send(1, 0, kAssert | 0x8000 | 0x41);  // an IPI is an edge whatever it says
  CHECK_FALSE(level(0x41));
  message.mode = DeliveryMode::kLowestPriority;
  bus.send_from_device(message);
  CHECK(level(0x41));
  REQUIRE(apic(0).wrmsr(kMsrApicBase, 0xfee00d00));
  CHECK(apic(0).rdmsr(0x81a) == 2);
}

TEST_CASE_FIXTURE(Fixture, "disabled by APIC_BASE: no page, no interrupts, and all is as after a reset") {
  LocalApic& a = apic(1);
  write(1, kLvtTimer, 0x60);
  write(1, kTpr, 0x20);
  write(1, kInitial, 100);
  a.assert_vector(0x50);
  CHECK(a.page() == kApicDefaultBase);
  REQUIRE(a.wrmsr(kMsrApicBase, 0xfee00000));
  CHECK_FALSE(a.page().has_value());
  CHECK(machine.timers.count(1) == 0);
  CHECK_FALSE(a.has_deliverable());
  machine.effects();
  a.assert_vector(0x51);
  send(0, 2, 0x52);
  a.mmio_write(kTpr, 4, 0x30);
  CHECK(machine.effects().empty());
  CHECK(a.mmio_read(kTpr, 4) == ~uint64_t{0});
  REQUIRE(a.wrmsr(kMsrApicBase, 0xfee00800));
  CHECK(read(1, kTpr) == 0);
  CHECK(read(1, kSvr) == 0xff);
  CHECK(read(1, kLvtTimer) == 0x10000);
  CHECK_FALSE(requested(1, 0x50));
}

TEST_CASE("KVM's APIC keeps its registers while it is disabled, moves, and has a TPR of four bits") {
  FakeMachine machine;
  ApicBus bus;
  ApicConfig config{.vcpu = VcpuId{0}, .bootstrap = true};
  config.quirks = {.movable = true, .keeps_registers = true, .tpr_is_cr8 = true, .errors = ApicErrors::kNone};
  LocalApic a(config, bus, machine, machine, machine);
  a.mmio_write(kSvr, 4, 0x1ff);
  a.mmio_write(kTpr, 4, 0x57);
  CHECK(a.mmio_read(kTpr, 4) == 0x50);
  CHECK(a.processor_priority() == 0x50);
  a.set_cr8(9);
  CHECK(a.mmio_read(kTpr, 4) == 0x90);
  a.mmio_write(kIcrLow, 4, kSelf | 3);
  a.mmio_write(kEsr, 4, 0);
  CHECK(a.mmio_read(kEsr, 4) == 0);
  a.mmio_write(0x3e0, 4, 0xb);
  a.mmio_write(kInitial, 4, 100);
  REQUIRE(a.wrmsr(kMsrApicBase, 0xfed10000));
  machine.time = VirtualNs{40};
  REQUIRE(a.wrmsr(kMsrApicBase, 0xfed10900));
  CHECK(a.page() == Gpa{0xfed10000});
  CHECK(a.rdmsr(kMsrApicBase) == 0xfed10900);
  CHECK(a.mmio_read(kTpr, 4) == 0x90);
  CHECK(a.mmio_read(kCurrent, 4) == 60);
}

TEST_CASE_FIXTURE(Fixture, "CR8 is the upper half of the TPR, whose lower half stays") {
  write(0, kTpr, 0x57);
  CHECK(apic(0).cr8() == 5);
  apic(0).set_cr8(9);
  CHECK(read(0, kTpr) == 0x97);
  CHECK(read(0, kPpr) == 0x97);
  apic(0).assert_vector(0x91);  // the TPR's own class
  CHECK_FALSE(apic(0).has_deliverable());
  apic(0).assert_vector(0xa1);
  CHECK(apic(0).acknowledge() == 0xa1);
}

namespace {

// A guest's word for ends without an EOI.
class Word : public EoiAssist {
 public:
  void offer(VcpuId) override { bit = offered = true; }
  bool taken(VcpuId) override { return offered && !bit && !(offered = false); }
  void withdraw(VcpuId) override { bit = offered = false; }
  bool bit = false, offered = false;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an EOI is left out by the assist word, unless something waits for it") {
  Word word;
  LocalApic& a = apic(0);
  a.set_eoi_assist(&word);
  const auto in_service = [&](unsigned vector) { return (read(0, kIsr + vector / 32 * 16) >> (vector % 32) & 1) != 0; };
  a.assert_vector(0x41);
  CHECK(a.acknowledge() == 0x41);
  CHECK(word.bit);
  word.bit = false;  // instead of an EOI
  CHECK(in_service(0x41));
  a.assert_vector(0x31);  // looks at the word
  CHECK_FALSE(in_service(0x41));
  CHECK(a.acknowledge() == 0x31);
  CHECK(word.bit);
  a.assert_vector(0x32);  // has to wait for 0x31's end, which must be told
  CHECK_FALSE(word.bit);
  write(0, kEoi, 0);
  CHECK(a.acknowledge() == 0x32);
  CHECK(word.bit);
  a.assert_vector(0x51);
  CHECK(a.acknowledge() == 0x51);  // above another: no offer of its own
  word.bit = false;
  write(0, kEoi, 0);  // ends 0x51, by the word, and 0x32 by itself
  CHECK_FALSE(in_service(0x51));
  CHECK_FALSE(in_service(0x32));
  a.assert_vector(0x41, true);
  CHECK(a.acknowledge() == 0x41);
  CHECK_FALSE(word.bit);  // a level's end is told
}
