// What the stress suite shares: a core on real threads, one a vCPU, and calls as a guest makes them. Each vCPU has a
// page for its arguments, so that one thread alone touches it.
#pragma once

#include <array>
#include <atomic>
#include <barrier>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "models/base/prng.h"
#include "models/xen/abi/public.h"
#include "models/xen/api/core.h"
#include "models/xen/testing/threaded_platform.h"

namespace xensim {

class Stress {
 public:
  static constexpr uint64_t kRam = 64 * kPageSize;  // of each domain
  static constexpr uint64_t kArguments = 8 * kPageSize;

  explicit Stress(uint32_t domain_count, uint32_t vcpu_count = 4, const xen::Flavour& flavour = {})
      : platform(kRam * domain_count, kRam), core(xen::make_core(platform, flavour)), vcpus(vcpu_count) {
    platform.interleave();
    for (uint32_t number = 1; number <= domain_count; ++number) {
      xen::DomainConfig config;
      config.id = DomId{static_cast<uint16_t>(number)};
      config.vcpus = vcpu_count;
      config.max_maptrack_frames = 16;
      config.ram = {{Gpa{0}, kRam, Maddr{ram_base(config.id)}}};
      XS_CHECK(core.api->create_domain(config).has_value());
      for (uint32_t vcpu = 1; vcpu < vcpu_count; ++vcpu) core.api->wake({config.id, VcpuId{vcpu}}, true);
    }
  }

  static uint64_t ram_base(DomId dom) { return (dom.v - 1) * kRam; }
  static VcpuRef vcpu(uint16_t dom, uint32_t number) { return {DomId{dom}, VcpuId{number}}; }
  static uint64_t argument_at(VcpuRef who) { return kArguments + who.vcpu.v * kPageSize; }
  std::byte* argument(VcpuRef who) { return platform.host(Maddr{ram_base(who.dom) + argument_at(who)}); }

  int64_t call(VcpuRef who, uint64_t nr, std::array<uint64_t, 6> args = {}) {
    return static_cast<int64_t>(core.api->hypercall(who, {.interrupts_enabled = true, .nr = nr, .args = args}));
  }
  // A call whose argument struct is put into guest memory first and read back afterwards; `first` are the registers
  // before the one that points there, `count` the one behind.
  template <class T>
  int64_t call_with(VcpuRef who, uint64_t nr, uint64_t op, T& value) {
    std::memcpy(argument(who), &value, sizeof(value));
    const int64_t result = call(who, nr, {op, argument_at(who), 1});
    std::memcpy(&value, argument(who), sizeof(value));
    return result;
  }
  template <class T>
  int64_t event_op(VcpuRef who, uint64_t op, T value) {
    return call_with(who, __HYPERVISOR_event_channel_op, op, value);
  }
  int64_t send(VcpuRef who, uint32_t port) { return event_op(who, EVTCHNOP_send, evtchn_send{port}); }

  // The body of vCPU `self` waits until the vCPU may run. False: all bodies that have not ended wait, and no vCPU of
  // theirs may run, so that nothing can come any more: a wake-up was lost. However slow the machine is, that is all
  // that counts. For bodies that are the vCPUs 0, 1, ... of one domain; those behind them only let timers expire.
  bool sleep(VcpuRef self) {
    std::atomic<bool>& asleep = asleep_.at(self.vcpu.v);
    asleep.store(true);
    while (!platform.wait_runnable(self, 1)) {
      if (all_asleep(self.dom)) return false;
    }
    asleep.store(false);
    return true;
  }

  // Runs one thread for each body and waits for all; the first failure of any of them is thrown here.
  void run(const std::vector<std::function<void()>>& bodies) {
    std::exception_ptr failure;
    std::mutex mutex;
    std::barrier started(static_cast<std::ptrdiff_t>(bodies.size()));
    for (auto& each : asleep_) each.store(false);
    for (auto& each : ended_) each.store(true);
    for (size_t number = 0; number < bodies.size(); ++number) ended_.at(number).store(false);
    std::vector<std::thread> threads;
    for (size_t number = 0; number < bodies.size(); ++number) {
      threads.emplace_back([&, number, body = bodies[number]] {
        try {
          started.arrive_and_wait();
          body();
        } catch (...) {
          const std::lock_guard guard(mutex);
          if (!failure) failure = std::current_exception();
          platform.release_all();
        }
        ended_.at(number).store(true);
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
  }

  // Everything that is wrong now, while nobody runs; empty: nothing is.
  std::vector<std::string> wrong() const {
    std::vector<std::string> lines = core.inspector->broken_invariants();
    for (const xen::LostEvent& lost : core.inspector->lost_events()) {
      lines.push_back("port " + std::to_string(lost.port.v) + ": " + lost.why);
    }
    return lines;
  }

  ThreadedPlatform platform;
  xen::CoreInstance core;
  const uint32_t vcpus;

 private:
  // Looked at one after the other; whoever was let run meanwhile shows in the count of wakes.
  bool all_asleep(DomId dom) {
    const uint64_t wakes = platform.wakes();
    for (uint32_t number = 0; number < vcpus; ++number) {
      if (ended_[number].load()) continue;
      if (!asleep_[number].load() || platform.may_run({dom, VcpuId{number}})) return false;
    }
    return platform.no_timer_left() && platform.wakes() == wakes;
  }

  std::array<std::atomic<bool>, ThreadedPlatform::kMaxVcpu> asleep_{}, ended_{};
};

// How long a stress goes on: longest where ThreadSanitizer sees what two threads did, whoever came first.
#ifdef XS_UNDER_TSAN
inline constexpr unsigned kStressRounds = 4000;
#else
inline constexpr unsigned kStressRounds = 1000;
#endif

}  // namespace xensim
