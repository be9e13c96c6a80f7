// The UART, register by register.
#include "models/pc/device/uart_8250.h"

#include <doctest/doctest.h>

#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

enum : uint16_t { kData = 0x3f8, kIer, kIir, kLcr, kMcr, kLsr, kMsr, kScr };

struct Fixture {
  FakeMachine machine;
  Uart8250 uart{machine, machine};

  uint32_t in(uint16_t port) { return uart.port_in(port, 1); }
  void out(uint16_t port, uint32_t value) { uart.port_out(port, 1, value); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "bytes out, scratch, divisor, presence") {
  out(kData, 'h');
  out(kData, 'i');
  CHECK(machine.console[ConsoleSource::kUart] == "hi");
  CHECK(in(kLsr) == 0x60);
  CHECK(in(kMsr) == 0xb0);
  CHECK(in(kIir) == 0x01);
  out(kScr, 0x5a);
  CHECK(in(kScr) == 0x5a);
  out(kLcr, 0x83);
  out(kData, 0x0c);
  out(kIer, 0x01);
  CHECK(in(kData) == 0x0c);
  CHECK(in(kIer) == 0x01);
  out(kLcr, 0x03);
  CHECK(in(kIer) == 0);
  CHECK(machine.console[ConsoleSource::kUart] == "hi");
  out(kLsr, 0);
  out(kMsr, 0);
  CHECK(in(kLsr) == 0x60);
}

TEST_CASE_FIXTURE(Fixture, "input waits for room, none is lost") {
  uart.input("abcdefghijklmnopqrstuvwxyz");
  std::string got;
  while ((in(kLsr)&1) != 0) got.push_back(static_cast<char>(in(kData)));
  CHECK(got == "abcdefghijklmnopqrstuvwxyz");
  CHECK(in(kData) == 0);
}

TEST_CASE_FIXTURE(Fixture, "receive interrupts: trigger level, timeout, and OUT2 as their gate") {
  out(kIir, 0x41);  // FIFO, trigger 4
  out(kIer, 0x01);
  uart.input("ab");
  CHECK(machine.effects().empty());
  out(kMcr, 0x08);
  CHECK(machine.effects() == Effects{"irq 4 1"});
  CHECK(in(kIir) == 0xcc);
  uart.input("cd");
  CHECK(in(kIir) == 0xc4);
  in(kData);
  CHECK(in(kIir) == 0xcc);
  for (int i = 0; i < 3; ++i) in(kData);
  CHECK(in(kIir) == 0xc1);
  CHECK(machine.effects() == Effects{"irq 4 0"});
}

TEST_CASE_FIXTURE(Fixture, "the transmitter's interrupt is answered by reading IIR") {
  out(kMcr, 0x08);
  out(kIer, 0x02);
  CHECK(machine.effects() == Effects{"irq 4 1"});
  CHECK(in(kIir) == 0x02);
  CHECK(machine.effects() == Effects{"irq 4 0"});
  CHECK(in(kIir) == 0x01);
  out(kData, 'x');
  CHECK(machine.effects() == Effects{"irq 4 1"});
}

TEST_CASE_FIXTURE(Fixture, "loopback: data, overrun and modem lines") {
  out(kMcr, 0x10);
  out(kData, 'a');
  out(kData, 'b');
  CHECK(in(kLsr) == 0x63);  // one register, overwritten
  CHECK(in(kLsr) == 0x61);
  CHECK(in(kData) == 'b');
  CHECK(machine.console.empty());
  in(kMsr);
  out(kMcr, 0x1a);
  CHECK(in(kMsr) == 0x99);  // RTS and OUT2 as CTS and DCD, both changed
  CHECK(in(kMsr) == 0x90);
  out(kIir, 0x01);
  for (int i = 0; i < 17; ++i) out(kData, static_cast<uint32_t>('a' + i));
  CHECK((in(kLsr)&2) == 2);
  CHECK(in(kData) == 'a');  // a full FIFO keeps what it has
}

TEST_CASE_FIXTURE(Fixture, "FIFO reset empties it") {
  out(kIir, 0x01);
  uart.input("abc");
  out(kIir, 0x03);
  CHECK((in(kLsr)&1) == 0);
  CHECK(in(kIir) == 0xc1);
}
