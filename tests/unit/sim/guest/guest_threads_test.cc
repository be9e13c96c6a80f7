// GuestDomain with a thread a vCPU, as on KVM: the board behind its lock, the core by itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "models/xen/testing/threaded_platform.h"
#include "tests/unit/sim/guest/guest_world.h"

namespace xensim::test {
namespace {

constexpr uint32_t kMsrIcr = 0x830, kMsrSpurious = 0x80f, kMsrEoi = 0x80b;
constexpr uint8_t kVector = 0x41;

class ThreadedWorld : public GuestWorld<ThreadedPlatform> {
 public:
  explicit ThreadedWorld(std::mutex& board_lock) : GuestWorld(guest_config(), &board_lock, kGuestBytes, kGuestRam) {}

  void msr(VcpuId vcpu, uint32_t number, uint64_t value) {
    XS_CHECK(guest().wrmsr(vcpu, number, value));
    do_noted();
  }

  // HLT with interrupts on, up to the interrupt that ends it. false: none came for too long.
  bool halt(VcpuId vcpu) {
    guest().halting(vcpu);
    guest().enter_halt(vcpu);
    while (!guest().leave_halt(vcpu)) {
      if (!guest().sleep(vcpu)) continue;
      if (guest().leave_halt(vcpu)) {
        api().wake({kDom, vcpu}, false);
        break;
      }
      if (!wait_runnable({kDom, vcpu})) return false;
      api().before_run({kDom, vcpu});
    }
    return true;
  }

  // Sends an interrupt to the other vCPU, and waits for one of it, again and again.
  bool play(VcpuId vcpu, unsigned rounds) {
    const uint64_t other = uint64_t{2} * (1 - vcpu.v);  // its APIC id
    for (unsigned round = 0; round < rounds; ++round) {
      if (vcpu.v == 0) msr(vcpu, kMsrIcr, other << 32 | kVector);
      std::optional<uint8_t> vector;
      while (!vector) {
        if (!halt(vcpu)) return false;
        vector = guest().acknowledge_interrupt(vcpu);
      }
      if (*vector != kVector) return false;
      msr(vcpu, kMsrEoi, 0);
      guest().port_out(vcpu, 0xe9, 1, '0' + vcpu.v);
      if (vcpu.v == 1) msr(vcpu, kMsrIcr, other << 32 | kVector);
    }
    return true;
  }
};

TEST_CASE("two vCPUs on threads wake each other from HLT") {
  constexpr unsigned kRounds = 2000;
  std::mutex board_lock;
  ThreadedWorld world(board_lock);
  world.api().wake(world.ref(1), true);
  for (const VcpuId vcpu : {VcpuId{0}, VcpuId{1}}) {
    world.cpu.of(vcpu).regs.rflags = 0x202;
    world.msr(vcpu, 0x1b, 0xfee00c00 | (vcpu.v == 0 ? pc::kApicBaseBsp : 0));
    world.msr(vcpu, kMsrSpurious, 0x1ff);
  }
  bool second = false;
  std::thread thread([&] { second = world.play(VcpuId{1}, kRounds); });
  const bool first = world.play(VcpuId{0}, kRounds);
  thread.join();
  CHECK(first);
  CHECK(second);
  const std::string& written = world.console[xen::ConsoleChannel::kDebugPort];
  CHECK(std::count(written.begin(), written.end(), '0') == kRounds);
  CHECK(std::count(written.begin(), written.end(), '1') == kRounds);
}

}  // namespace
}  // namespace xensim::test
