// The machine as a board's or device's test sees it: a clock set by hand, and a record of every effect.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/pc/board.h"

namespace xensim::pc::test {

class FakeMachine : public BoardClient {
 public:
  VirtualNs now() const override { return time; }
  void arm(uint32_t timer, VirtualNs deadline) override { timers[timer] = deadline; }
  void cancel(uint32_t timer) override { timers.erase(timer); }
  void set_irq(unsigned irq, bool level) override { note("irq", irq, level ? 1 : 0); }
  void console_output(ConsoleSource source, uint8_t byte) override {
    console[source].push_back(static_cast<char>(byte));
  }
  void power_off() override { note("power off", 0); }
  void reset() override { note("reset", 0); }
  void test_exit(uint32_t value) override { note("exit", value); }
  void interrupt_ready(VcpuId vcpu) override { note("ready", vcpu.v); }
  void init(VcpuId vcpu) override { note("init", vcpu.v); }
  void startup(VcpuId vcpu, uint8_t vector) override { note("startup", vcpu.v, vector); }
  void nmi(VcpuId vcpu) override { note("nmi", vcpu.v); }
  void software_enabled(VcpuId vcpu) override { note("enabled", vcpu.v); }

  // The effects since the last call.
  std::vector<std::string> effects() { return std::exchange(effects_, {}); }

  VirtualNs time{0};
  std::map<uint32_t, VirtualNs> timers;
  std::map<ConsoleSource, std::string> console;

 private:
  void note(const char* what, uint64_t first) { effects_.push_back(std::string(what) + " " + std::to_string(first)); }
  void note(const char* what, uint64_t first, uint64_t second) {
    effects_.push_back(std::string(what) + " " + std::to_string(first) + " " + std::to_string(second));
  }

  std::vector<std::string> effects_;
};

using Effects = std::vector<std::string>;

}  // namespace xensim::pc::test
