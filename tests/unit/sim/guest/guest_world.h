// The world around a GuestDomain that is no SoftMachine: a core on a test's Platform, a Cpu that executes nothing, and
// a host that notes what it is told.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/base/check.h"
#include "models/xen/abi/public.h"
#include "sim/guest/guest_domain.h"
#include "tests/unit/sim/guest/fake_cpu.h"

namespace xensim::test {

inline constexpr DomId kDom{1};
inline constexpr uint64_t kGuestRam = 2 << 20;
// What else there is of the guest's memory: the toolstack's pages.
inline constexpr uint64_t kGuestBytes = kGuestRam + sim::kAcpiBytes + sim::kSpecialBytes;

inline sim::GuestConfig guest_config(uint32_t vcpus = 2) {
  sim::GuestConfig config;
  config.name = "g";
  config.platform = sim::GuestPlatform::kPvh;
  config.vcpus = vcpus;
  config.memory_bytes = kGuestRam;
  return config;
}

// Base is a Platform of models/xen/testing: what the core asks of the guest's processors goes to the GuestDomain, as a
// backend does it.
template <class Base>
class GuestWorld : public Base, public sim::DomainHost {
 public:
  template <class... Args>
  explicit GuestWorld(sim::GuestConfig with, std::mutex* board_lock, Args&&... args)
      : Base(std::forward<Args>(args)...), config(std::move(with)), cpu(config.vcpus), lock_(board_lock) {
    instance_ = xen::make_core(*this, flavour);
    auto made = sim::GuestDomain::make({kDom, config, clock_config, flavour, memory(), board_lock}, cpu, *this);
    XS_CHECK(made.has_value());
    guest_ = std::move(*made);
    create_domain();
  }

  sim::GuestDomain& guest() { return *guest_; }
  xen::CoreApi& api() { return *instance_.api; }
  VcpuRef ref(uint32_t vcpu) const { return {kDom, VcpuId{vcpu}}; }
  sim::GuestMemory memory() {
    return {{Base::host(Maddr{0}), kGuestBytes}, sim::memory_pieces(config.memory_bytes, true)};
  }
  // What a thread does when it has come out of the GuestDomain.
  void do_noted() {
    std::vector<std::pair<VcpuId, bool>> wakes;
    {
      const std::lock_guard guard(notes_lock_);
      wakes.swap(noted_wakes_);
    }
    for (const auto& wake : wakes) api().wake({kDom, wake.first}, wake.second);
  }

  // Platform
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override { guest().assert_vector(vcpu.vcpu, vector); }
  bool lapic_enabled(VcpuRef vcpu) override { return guest().lapic_enabled(vcpu.vcpu); }
  void set_gsi(DomId, uint32_t gsi, bool level) override { guest().set_gsi(gsi, level); }
  void kick(VcpuRef vcpu) override {
    Base::kick(vcpu);
    cpu.raise_interrupt(vcpu.vcpu);
  }
  void start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) override { guest().start_vcpu(vcpu.vcpu, start); }
  void set_mapping(DomId, Gfn gfn, Maybe<Mfn> frame, bool writable) override {
    std::span<std::byte> page;
    if (frame) page = {Base::host(Maddr{frame->v << kPageShift}), kPageSize};
    guest().set_mapping(gfn, page, writable);
  }
  void set_runnable(VcpuRef vcpu, bool runnable) override {
    Base::set_runnable(vcpu, runnable);
    runnable_.at(vcpu.vcpu.v) = runnable;
  }

  // DomainHost, whose time and timers are others than Platform's
  using Base::arm_timer;
  using Base::cancel_timer;
  using Base::now;
  Core core() override { return {*instance_.api, *instance_.inspector}; }
  traces::EventWriter* events() override { return nullptr; }
  VirtualNs now() const override { return VirtualNs{const_cast<GuestWorld*>(this)->Base::now()}; }
  uint64_t tsc() const override { return now().v; }
  void arm_timer(uint32_t timer, VirtualNs deadline) override { timers[timer] = deadline; }
  void cancel_timer(uint32_t timer) override { timers.erase(timer); }
  bool is_runnable(VcpuId vcpu) const override { return runnable_.at(vcpu.v); }
  void wake(VcpuId vcpu, bool bring_up) override {
    if (lock_ == nullptr) return api().wake({kDom, vcpu}, bring_up);
    const std::lock_guard guard(notes_lock_);
    noted_wakes_.emplace_back(vcpu, bring_up);
  }
  void lapic_enabled(VcpuId vcpu) override {
    if (lock_ == nullptr) api().lapic_enabled({kDom, vcpu});
  }
  void wait_for_startup(VcpuId vcpu) override { runnable_.at(vcpu.v) = false; }
  void console_output(xen::ConsoleChannel channel, std::span<const std::byte> text) override {
    console[channel].append(reinterpret_cast<const char*>(text.data()), text.size());
  }
  void end(xen::ShutdownReason reason) override { ended = reason; }
  void test_exit(uint32_t value) override { exit_value = value; }

  const sim::GuestConfig config;
  const sim::ClockConfig clock_config;
  const xen::Flavour flavour;
  FakeCpu cpu;
  std::map<uint32_t, VirtualNs> timers;
  std::map<xen::ConsoleChannel, std::string> console;
  std::optional<xen::ShutdownReason> ended;
  std::optional<uint32_t> exit_value;

 private:
  void create_domain() {
    xen::DomainConfig domain;
    domain.id = kDom;
    domain.vcpus = config.vcpus;
    for (const sim::MemoryPiece& piece : sim::memory_pieces(config.memory_bytes, true)) {
      domain.ram.push_back({piece.base, piece.bytes, Maddr{piece.offset}});
    }
    const Status made = api().create_domain(domain);
    XS_CHECK(made.has_value());
    runnable_[0] = true;
  }

  std::mutex* const lock_;
  std::mutex notes_lock_;
  std::vector<std::pair<VcpuId, bool>> noted_wakes_;
  std::array<std::atomic<bool>, 8> runnable_{};
  xen::CoreInstance instance_;
  std::unique_ptr<sim::GuestDomain> guest_;
};

}  // namespace xensim::test
