// GuestDomain without a SoftMachine: what every backend with a Cpu gets from it.
#include "sim/guest/guest_domain.h"

#include <doctest/doctest.h>

#include <string_view>

#include "models/base/archive.h"
#include "models/xen/testing/plain_platform.h"
#include "tests/unit/sim/guest/guest_world.h"

namespace xensim::test {
namespace {

constexpr VcpuId kFirst{0}, kSecond{1};
constexpr uint32_t kMsrIcr = 0x830, kMsrSpurious = 0x80f, kMsrTimerLvt = 0x832, kMsrTimerCount = 0x838;
constexpr uint64_t kX2apicOn = 0xfee00c00;
constexpr uint64_t kToSecond = uint64_t{2} << 32;  // APIC ids are 2 apart under Xen

class World : public GuestWorld<PlainPlatform> {
 public:
  explicit World(const sim::GuestConfig& with = guest_config()) : GuestWorld(with, nullptr, kGuestBytes) {}

  void enable_apic(VcpuId vcpu) {
    REQUIRE(guest().wrmsr(vcpu, 0x1b, kX2apicOn | (vcpu == kFirst ? pc::kApicBaseBsp : 0)));
    REQUIRE(guest().wrmsr(vcpu, kMsrSpurious, 0x1ff));
  }
};

TEST_CASE("a guest's memory and devices are shown to the Cpu") {
  World world;
  CHECK(world.cpu.memory.at(Gpa{0}).size() == kGuestRam);
  CHECK(world.cpu.memory.at(sim::kAcpiBase).size() == sim::kAcpiBytes);
  CHECK(world.cpu.mmio == std::vector<Gpa>{pc::kApicDefaultBase});
  CHECK(world.cpu.of(kFirst).inits == 0);
  CHECK(world.cpu.of(kSecond).inits == 1);
  world.guest().set_mapping(Gfn{0x80000}, {world.host(Maddr{0}), kPageSize}, true);
  CHECK(world.cpu.memory.count(Gpa{0x80000000}) == 1);
  world.guest().set_mapping(Gfn{0x80000}, {}, true);
  CHECK(world.cpu.memory.count(Gpa{0x80000000}) == 0);
}

TEST_CASE("an image is placed as the toolstack would, and vCPU 0 is at its entry") {
  World world;
  sim::GuestFiles files;
  files.elf.assign(64, std::byte{0xf4});
  files.image.bits = 32;
  files.image.entry = files.image.begin = Gpa{0x100000};
  files.image.end = Gpa{0x100040};
  files.image.segments = {{Gpa{0x100000}, 0, 64, 64, 0}};
  REQUIRE(world.guest().load(files).has_value());
  CHECK(world.cpu.of(kFirst).regs.rip == 0x100000);
  CHECK(*world.host(Maddr{0x100000}) == std::byte{0xf4});
  const auto acpi = world.memory().at(sim::kAcpiBase, sim::kAcpiBytes);
  const std::string_view tables(reinterpret_cast<const char*>(acpi.data()), acpi.size());
  CHECK(tables.find("RSD PTR ") != std::string_view::npos);

  files.image.segments[0].gpa = Gpa{kGuestRam};
  CHECK(world.guest().load(files).error().kind == ErrorKind::kInput);
}

TEST_CASE("console bytes and ends come to the host") {
  World world;
  for (const char byte : std::string_view("hi")) {
    world.guest().port_out(kFirst, 0xe9, 1, static_cast<uint8_t>(byte));
    world.guest().port_out(kFirst, 0x3f8, 1, static_cast<uint8_t>(byte));
  }
  CHECK(world.console[xen::ConsoleChannel::kDebugPort] == "hi");
  CHECK(world.console[xen::ConsoleChannel::kSerial] == "hi");
  CHECK(world.guest().port_in(kFirst, 0xe9, 1) == 0xe9);
  world.guest().port_out(kFirst, pc::kTestExitPort, 1, 3);
  CHECK(world.exit_value == 3);
}

TEST_CASE("what a service writes to its ring is no code that the Cpu knows") {
  World world;
  CHECK(world.guest().take_input("x"));
  CHECK_FALSE(world.guest().serve(Port{2}));
  CHECK(world.cpu.changed == std::vector<Gpa>{sim::kConsolePage, sim::kConsolePage});
}

TEST_CASE("Xen's leaves and MSRs are the core's") {
  World world;
  const CpuidResult leaf = world.guest().cpuid(kFirst, 0x40000000, 0, {});
  CHECK(leaf.ebx == 0x566e6558);  // "XenV"
  CHECK((world.guest().cpuid(kSecond, 1, 0, {}).ebx >> 24) == 2);
  CHECK_FALSE(world.guest().rdmsr(kFirst, 0x4000'0100).has_value());
  // The hypercall page.
  REQUIRE(world.guest().wrmsr(kFirst, 0x40000000, 0x5000));
  CHECK(*world.host(Maddr{0x5000}) == std::byte{0xb8});  // MOV EAX, 0
}

TEST_CASE("with Microsoft's interface Xen's leaves lie higher, and calls with bit 31 are not the core's") {
  sim::GuestConfig config = guest_config();
  config.hvm = true;
  config.viridian = viridian::kDefaults;
  World world(config);
  CHECK(world.guest().cpuid(kFirst, 0x40000000, 0, {}).ebx == 0x7263694d);  // "Micr"
  CHECK(world.guest().cpuid(kFirst, 0x40000100, 0, {}).ebx == 0x566e6558);
  world.cpu.set_gpr(kFirst, kRax, 0x80000000);
  CHECK(world.guest().serve_viridian_call(kFirst));
  world.cpu.set_gpr(kFirst, kRax, __HYPERVISOR_xen_version);
  CHECK_FALSE(world.guest().serve_viridian_call(kFirst));
}

TEST_CASE("a hypercall takes its arguments by the vCPU's mode, and leaves its result in RAX") {
  World world;
  CpuRegs regs;
  regs.gpr[kRax] = __HYPERVISOR_xen_version;
  regs.gpr[kRdi] = regs.gpr[kRbx] = XENVER_version;
  regs.rflags = 0x202;
  world.cpu.set_regs(kFirst, regs);
  for (const CpuMode mode : {CpuMode::kLong, CpuMode::kProtected32}) {
    world.cpu.of(kFirst).mode = mode;
    const xen::HypercallRegs call = world.guest().hypercall_regs(kFirst);
    CHECK(call.mode64 == (mode == CpuMode::kLong));
    CHECK(call.interrupts_enabled);
    CHECK(call.args[0] == XENVER_version);
    world.guest().finish_hypercall(kFirst, world.guest().hypercall(kFirst, call));
    CHECK(world.cpu.gpr(kFirst, kRax) == 0x40011);  // 4.17
    world.cpu.set_gpr(kFirst, kRax, __HYPERVISOR_xen_version);
  }
}

TEST_CASE("INIT and SIPI bring a vCPU up") {
  World world;
  world.enable_apic(kFirst);
  REQUIRE(world.guest().wrmsr(kFirst, kMsrIcr, kToSecond | 0x4500));
  CHECK(world.cpu.of(kSecond).inits == 2);
  CHECK_FALSE(world.is_runnable(kSecond));
  REQUIRE(world.guest().wrmsr(kFirst, kMsrIcr, kToSecond | 0x4608));
  CHECK(world.cpu.of(kSecond).startup_vector == 8);
  CHECK(world.is_runnable(kSecond));
  // It does not wait for another.
  REQUIRE(world.guest().wrmsr(kFirst, kMsrIcr, kToSecond | 0x4609));
  CHECK(world.cpu.of(kSecond).startup_vector == 8);
}

// Runs the second vCPU up to a HLT in which it sleeps, with interrupts on.
void lay_to_rest(World& world) {
  world.enable_apic(kFirst);
  world.api().wake(world.ref(1), true);
  world.enable_apic(kSecond);
  world.cpu.of(kSecond).regs.rflags = 0x202;
  world.guest().halting(kSecond);
  world.guest().enter_halt(kSecond);
  CHECK(world.guest().halted(kSecond));
  CHECK_FALSE(world.guest().leave_halt(kSecond));
  CHECK(world.guest().sleep(kSecond));
  REQUIRE_FALSE(world.is_runnable(kSecond));
}

TEST_CASE("an interrupt ends a HLT, and is taken once") {
  World world;
  lay_to_rest(world);
  REQUIRE(world.guest().wrmsr(kFirst, kMsrIcr, kToSecond | 0x41));
  CHECK(world.is_runnable(kSecond));
  CHECK(world.cpu.of(kSecond).raised);
  CHECK(world.guest().leave_halt(kSecond));
  CHECK_FALSE(world.guest().halted(kSecond));
  CHECK(world.guest().acknowledge_interrupt(kSecond) == 0x41);
  CHECK_FALSE(world.guest().acknowledge_interrupt(kSecond).has_value());
}

TEST_CASE("an NMI ends a HLT") {
  World world;
  lay_to_rest(world);
  REQUIRE(world.guest().wrmsr(kFirst, kMsrIcr, kToSecond | 0x400));
  CHECK(world.is_runnable(kSecond));
  CHECK(world.cpu.of(kSecond).nmi);
  CHECK(world.guest().leave_halt(kSecond));
}

// The core wakes whom it has something for: the board does not enter it again from inside its call.
TEST_CASE("a vector that the core asserts wakes nobody by itself") {
  World world;
  lay_to_rest(world);
  world.guest().assert_vector(kSecond, 0x51);
  CHECK_FALSE(world.is_runnable(kSecond));
  CHECK(world.guest().leave_halt(kSecond));
  CHECK(world.guest().acknowledge_interrupt(kSecond) == 0x51);
}

TEST_CASE("the local APIC's timer is the host's") {
  World world;
  world.enable_apic(kFirst);
  REQUIRE(world.guest().wrmsr(kFirst, kMsrTimerLvt, 0x61));
  REQUIRE(world.guest().wrmsr(kFirst, kMsrTimerCount, 1000));
  REQUIRE(world.timers.count(0) == 1);
  world.time = world.timers[0];
  world.guest().timer_expired(0);
  CHECK(world.guest().acknowledge_interrupt(kFirst) == 0x61);
}

TEST_CASE("a guest is saved without its Cpu's memory, and restored") {
  World world;
  world.enable_apic(kFirst);
  world.guest().enter_halt(kSecond);
  StateWriter out;
  world.guest().fields(out);
  world.guest().vcpu_fields(out, kSecond);

  World other;
  StateReader in(out.out);
  other.guest().fields(in);
  other.guest().vcpu_fields(in, kSecond);
  CHECK(in.ok());
  CHECK(in.left() == 0);
  CHECK(other.cpu.restored.size() == 8);
  CHECK(other.guest().halted(kSecond));
  CHECK(other.guest().lapic_enabled(kFirst));
}

}  // namespace
}  // namespace xensim::test
