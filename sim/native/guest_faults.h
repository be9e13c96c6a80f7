// GuestFaults: the signals that a native guest's code raises (an address that is not mapped, a division by zero, an
// opcode that is none), and an alarm for code that never comes back, become an ordinary call on the host's side.
//
// POSIX signals are the process's, so there is one of these at a time. The handler does nothing but look which code was
// interrupted and change where that goes on: what follows runs outside of it. Signals of the host's own code go to
// the handler that was installed before (AddressSanitizer's, for one).
#pragma once

#include <signal.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace xensim::sim {

struct GuestFault {
  int signal = 0;        // SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP; SIGALRM: the alarm
  uint64_t address = 0;  // siginfo_t::si_addr: what was accessed, or the instruction
  uint64_t rip = 0;
};

class GuestFaultClient {
 public:
  virtual ~GuestFaultClient() = default;
  // In the signal handler: was guest code interrupted, if the stack pointer was `sp`? Then the stack, of the host's, on
  // which faulted() is to run; else 0. Async-signal-safe.
  virtual uint64_t landing_stack(uint64_t sp) const noexcept = 0;
  // Outside of the handler, on that stack. There is nothing to return to.
  [[noreturn]] virtual void faulted(const GuestFault& fault) = 0;
};

class GuestFaults {
 public:
  // `client` outlives this.
  explicit GuestFaults(GuestFaultClient& client);
  ~GuestFaults();
  GuestFaults(const GuestFaults&) = delete;
  GuestFaults& operator=(const GuestFaults&) = delete;

  // A SIGALRM fault in so many nanoseconds of real time, and again until guest code is what it interrupts. 0: none.
  // A forked child has none until it asks for its own.
  void set_alarm(uint64_t ns);

 private:
  static constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGALRM};
  static void on_signal(int signal, siginfo_t* info, void* context);
  [[noreturn]] static void land(GuestFaults* self);

  GuestFaultClient& client_;
  GuestFault fault_;
  std::array<struct sigaction, kSignals.size()> before_{};
  bool alarm_set_ = false;
  std::unique_ptr<std::byte[]> stack_;  // of the handler; null: the thread had one already
};

}  // namespace xensim::sim
