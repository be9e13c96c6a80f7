// See guest_faults.h.
#include "sim/native/guest_faults.h"

#include <sys/time.h>
#include <ucontext.h>

#include <atomic>
#include <cstdlib>

#include "models/base/check.h"

namespace xensim::sim {

namespace {

constexpr size_t kHandlerStack = 64 * 1024;
constexpr time_t kAgainUs = 20'000;  // the alarm, while it meets the host's code

// A signal handler is given no pointer of ours.
std::atomic<GuestFaults*> g_active{nullptr};

}  // namespace

GuestFaults::GuestFaults(GuestFaultClient& client) : client_(client) {
  GuestFaults* none = nullptr;
  XS_CHECK_MSG(g_active.compare_exchange_strong(none, this), "one native machine at a time");
  stack_t old{};
  XS_CHECK(sigaltstack(nullptr, &old) == 0);
  if ((old.ss_flags & SS_DISABLE) != 0) {
    stack_ = std::make_unique<std::byte[]>(kHandlerStack);
    stack_t own{};
    own.ss_sp = stack_.get();
    own.ss_size = kHandlerStack;
    XS_CHECK(sigaltstack(&own, nullptr) == 0);
  }
  struct sigaction action {};
  action.sa_sigaction = &GuestFaults::on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < kSignals.size(); ++i) XS_CHECK(sigaction(kSignals[i], &action, &before_[i]) == 0);
}

GuestFaults::~GuestFaults() {
  set_alarm(0);
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  if (stack_) {
    stack_t off{};
    off.ss_flags = SS_DISABLE;
    sigaltstack(&off, nullptr);
  }
  g_active.store(nullptr);
}

// Most runs of an exploration have no alarm, and a system call takes as long as 20 of its points.
void GuestFaults::set_alarm(uint64_t ns) {
  if (ns == 0 && !alarm_set_) return;
  alarm_set_ = ns != 0;
  itimerval timer{};
  if (ns != 0) {
    timer.it_value.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
    timer.it_value.tv_usec = static_cast<suseconds_t>(ns % 1'000'000'000 / 1000 + 1) % 1'000'000;
    timer.it_interval.tv_usec = kAgainUs;
  }
  setitimer(ITIMER_REAL, &timer, nullptr);
}

void GuestFaults::land(GuestFaults* self) {
  self->client_.faulted(self->fault_);
  std::abort();  // it does not return
}

// The guest's code does not go on: its registers are free to be changed. Flags and floating-point control words are
// made those that the ABI wants at a call.
void GuestFaults::on_signal(int signal, siginfo_t* info, void* context) {
  constexpr greg_t kTrap = 1 << 8, kDirection = 1 << 10, kAlignment = 1 << 18;
  auto& interrupted = *static_cast<ucontext_t*>(context);
  greg_t* const regs = interrupted.uc_mcontext.gregs;
  GuestFaults* const self = g_active.load();
  const uint64_t stack = self == nullptr ? 0 : self->client_.landing_stack(static_cast<uint64_t>(regs[REG_RSP]));
  if (stack == 0) {
    if (self == nullptr || signal == SIGALRM) return;
    for (size_t i = 0; i < kSignals.size(); ++i) {
      if (kSignals[i] == signal) sigaction(signal, &self->before_[i], nullptr);
    }
    if (info->si_code <= 0) raise(signal);  // somebody sent it: an instruction would raise it again
    return;
  }
  self->fault_ = {signal, reinterpret_cast<uint64_t>(info->si_addr), static_cast<uint64_t>(regs[REG_RIP])};
  regs[REG_RSP] = static_cast<greg_t>((stack & ~uint64_t{15}) - 8);  // as a call leaves it
  regs[REG_RIP] = reinterpret_cast<greg_t>(&GuestFaults::land);
  regs[REG_RDI] = reinterpret_cast<greg_t>(self);
  regs[REG_EFL] &= ~(kTrap | kDirection | kAlignment);
  if (interrupted.uc_mcontext.fpregs != nullptr) {
    interrupted.uc_mcontext.fpregs->cwd = 0x37f;
    interrupted.uc_mcontext.fpregs->mxcsr = 0x1f80;
  }
}

}  // namespace xensim::sim
