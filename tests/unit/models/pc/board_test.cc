// Routing, the small devices, and the board as a whole.
#include "models/pc/board.h"

#include <doctest/doctest.h>

#include "models/base/check.h"
#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

struct Scratch : MmioDevice {
  MmioRange mmio() const override { return {Gpa{0xd0000000}, 16}; }
  uint64_t mmio_read(uint64_t offset, unsigned bytes) override { return offset * 16 + bytes; }
  void mmio_write(uint64_t offset, unsigned bytes, uint64_t value) override {
    written = offset * 256 + bytes * 16 + value;
  }
  uint64_t written = 0;
};

struct Fixture {
  FakeMachine machine;
  Board board{{.vcpus = 2, .apic_id_step = 2}, machine};
};

}  // namespace

TEST_CASE("a bare board may have QEMU's IO-APIC: 24 pins, and a register that ends an interrupt") {
  FakeMachine machine;
  Board board{{.vcpus = 1, .io_apic = true}, machine};
  const auto select = [&](unsigned reg) { board.mmio_write(VcpuId{0}, Gpa{0xfec00000}, 4, reg); };
  const auto read = [&](unsigned reg) {
    select(reg);
    return board.mmio_read(VcpuId{0}, Gpa{0xfec00010}, 4);
  };
  const auto write = [&](unsigned reg, uint32_t value) {
    select(reg);
    board.mmio_write(VcpuId{0}, Gpa{0xfec00010}, 4, value);
  };
  const auto taken = [&] { return board.apic(VcpuId{0}).acknowledge().value_or(0); };
  board.mmio_write(VcpuId{0}, Gpa{kApicDefaultBase.v + 0xf0}, 4, 0x1ff);
  CHECK(read(0) == 0);
  CHECK(read(1) == 0x170020);
  write(0x10 + 2 * 24, 0x31);
  CHECK(read(0x10 + 2 * 24) == 0);
  write(0x10 + 2 * 22, ~0u);
  CHECK(read(0x10 + 2 * 22) == 0xffffafff);
  write(0x10 + 2 * 23, 0x8041);
  board.set_gsi(24, true);
  CHECK(taken() == 0);
  board.set_gsi(23, true);
  CHECK(taken() == 0x41);
  board.mmio_write(VcpuId{0}, Gpa{0xfec00040}, 4, 0x41);  // the line is still up: it comes again
  board.mmio_write(VcpuId{0}, Gpa{kApicDefaultBase.v + 0xb0}, 4, 0);
  std::vector<std::byte> saved;
  board.save(saved);
  Board other{{.vcpus = 1, .io_apic = true}, machine};
  std::span<const std::byte> bytes(saved);
  REQUIRE(other.restore(bytes).has_value());
  CHECK(bytes.empty());
  std::vector<std::byte> again;
  other.save(again);
  CHECK(again == saved);
  CHECK(taken() == 0x41);
}

TEST_CASE_FIXTURE(Fixture, "ports that nobody claims") {
  CHECK(board.port_in(0x1234, 1) == 0xff);
  CHECK(board.port_in(0x1234, 2) == 0xffff);
  CHECK(board.port_in(0xffff, 4) == 0xffffffff);
  board.port_out(0x1234, 4, 1);
  board.port_out(0xffff, 4, 1);
  CHECK(machine.effects().empty());
}

TEST_CASE_FIXTURE(Fixture, "debug consoles take a byte at a time") {
  CHECK(board.port_in(0xe9, 1) == 0xe9);
  CHECK(board.port_in(0xe9, 2) == 0xffe9);
  CHECK(board.port_in(0x12, 1) == 0xff);
  board.port_out(0xe9, 1, 'a');
  board.port_out(0xe9, 4, 0x64636261);  // the other bytes go to the ports behind it
  board.port_out(0x12, 1, 'x');
  CHECK(machine.console[ConsoleSource::kPortE9] == "aa");
  CHECK(machine.console[ConsoleSource::kPort12] == "x");
}

TEST_CASE_FIXTURE(Fixture, "test exit takes the value as it is") {
  board.port_out(0x501, 1, 0);
  board.port_out(0x501, 2, 0x1234);
  board.port_out(0x501, 4, 0x12345678);
  board.port_out(0x502, 1, 1);
  CHECK(machine.effects() == Effects{"exit 0", "exit 4660", "exit 305419896"});
  CHECK(board.port_in(0x501, 4) == 0);
}

TEST_CASE_FIXTURE(Fixture, "MMIO goes to whole ranges") {
  Scratch scratch;
  board.attach(scratch);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xd0000004}, 4) == 0x44);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xd000000e}, 4) == 0xffffffff);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xcfffffff}, 1) == 0xff);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xc0000000}, 8) == ~uint64_t{0});
  board.mmio_write(VcpuId{0}, Gpa{0xd0000008}, 8, 3);
  CHECK(scratch.written == 0x883);
  CHECK_THROWS_AS(board.attach(scratch), CheckFailure);  // twice
}

TEST_CASE_FIXTURE(Fixture, "each vCPU sees its own APIC") {
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xfee00020}, 4) == 0);
  CHECK(board.mmio_read(VcpuId{1}, Gpa{0xfee00020}, 4) == 2u << 24);
  CHECK(board.mmio_read(VcpuId{1}, Gpa{0xfee00ffc}, 8) == ~uint64_t{0});
  REQUIRE(board.wrmsr(VcpuId{1}, kMsrApicBase, 0xfee00c00));
  CHECK(board.mmio_read(VcpuId{1}, Gpa{0xfee00020}, 4) == 0xffffffff);
  CHECK(board.rdmsr(VcpuId{1}, 0x802) == 2);
  CHECK_FALSE(board.rdmsr(VcpuId{0}, 0x802).has_value());
  CHECK_FALSE(board.rdmsr(VcpuId{0}, 0x10).has_value());
  CHECK(Board::owns_msr(0x8ff));
  CHECK_FALSE(Board::owns_msr(0x900));
}

TEST_CASE_FIXTURE(Fixture, "a board's state survives save and restore and a cut one is refused") {
  board.mmio_write(VcpuId{1}, Gpa{0xfee000f0}, 4, 0x1ff);
  board.apic(VcpuId{1}).assert_vector(0x55);
  board.uart().input("waiting for room");
  std::vector<std::byte> saved;
  board.save(saved);
  Board other({.vcpus = 2, .apic_id_step = 2}, machine);
  std::span<const std::byte> in(saved);
  REQUIRE(other.restore(in).has_value());
  CHECK(in.empty());
  std::vector<std::byte> again;
  other.save(again);
  CHECK(again == saved);
  CHECK(other.apic(VcpuId{1}).acknowledge() == 0x55);
  CHECK(other.port_in(0x3f8, 1) == 'w');
  for (size_t size = 0; size < saved.size(); ++size) {
    std::span<const std::byte> part(saved.data(), size);
    CHECK_FALSE(other.restore(part).has_value());
  }
}

TEST_CASE("a local APIC that moves takes its page with it, and where it was reads as ones, whatever holes do") {
  FakeMachine machine;
  Board board{{.vcpus = 2, .apic = {.movable = true}, .holes_read_zero = true}, machine};
  REQUIRE(board.wrmsr(VcpuId{1}, kMsrApicBase, 0xfed10800));
  board.mmio_write(VcpuId{1}, Gpa{0xfed10080}, 4, 0x20);
  CHECK(board.mmio_read(VcpuId{1}, Gpa{0xfed10080}, 4) == 0x20);
  CHECK(board.mmio_read(VcpuId{1}, Gpa{0xfee00080}, 4) == 0xffffffff);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xfee00080}, 4) == 0);
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xfed10080}, 4) == 0);  // a hole
  REQUIRE(board.wrmsr(VcpuId{0}, kMsrApicBase, 0xfee00100));
  CHECK(board.mmio_read(VcpuId{0}, Gpa{0xfee00080}, 2) == 0xffff);
}
