// The test-exit port.
#include "models/pc/device/test_exit.h"

namespace xensim::pc {

TestExit::TestExit(TestExitClient& client, uint16_t port) : port_(port), client_(client) {}

std::vector<PortRange> TestExit::ports() const { return {{port_, 4, 4}}; }

uint32_t TestExit::port_in(uint16_t /*port*/, unsigned /*bytes*/) { return 0; }

void TestExit::port_out(uint16_t port, unsigned /*bytes*/, uint32_t value) {
  if (port == port_) client_.test_exit(value);
}

}  // namespace xensim::pc
