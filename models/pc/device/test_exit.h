// The test-exit port: a guest ends its run by writing a status to it. The port is where QEMU's isa-debug-exit is by
// default (hw/misc/debugexit.c: iobase 0x501), but the value is taken as it is: 0 is success, anything else a failure.
// (QEMU would exit with 2 * value + 1, and so could not tell success by 0.)
#pragma once

#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr uint16_t kTestExitPort = 0x501;

class TestExitClient {
 public:
  virtual ~TestExitClient() = default;
  // The guest asks for the end of the run; it may still execute until the machine stops it, and write again.
  virtual void test_exit(uint32_t value) = 0;
};

// Four ports, so that a write of 1, 2 or 4 bytes to the first arrives whole; the other three ignore writes. Reads give
// 0.
class TestExit : public PortDevice {
 public:
  explicit TestExit(TestExitClient& client, uint16_t port = kTestExitPort);

  std::vector<PortRange> ports() const override;
  uint32_t port_in(uint16_t port, unsigned bytes) override;
  void port_out(uint16_t port, unsigned bytes, uint32_t value) override;

 private:
  // Fixed.
  const uint16_t port_;
  // Glue.
  TestExitClient& client_;
};

}  // namespace xensim::pc
