// A core of a page, for tests and benchmarks of recorder and replay: hypercall 0 sends an event (lock, load,
// read-modify-write, kick, unlock), hypercall 1 copies its argument, all others are -ENOSYS.
#pragma once

#include <map>
#include <vector>

#include "models/base/check.h"
#include "models/xen/api/core.h"

namespace xensim::traces {

// Guest memory that is one array; nobody else runs.
class PlainPlatform : public xen::Platform {
 public:
  uint64_t load(xen::Site, Maddr at, unsigned) override { return memory_[at.v / 8 % memory_.size()]; }
  void store(xen::Site, Maddr at, unsigned, uint64_t value) override { memory_[at.v / 8 % memory_.size()] = value; }
  uint64_t rmw(xen::Site, Maddr at, unsigned, xen::Rmw op, uint64_t operand, uint64_t) override {
    uint64_t& word = memory_[at.v / 8 % memory_.size()];
    const uint64_t old = word;
    word = op == xen::Rmw::kOr ? old | operand : old & operand;
    return old;
  }
  void read(xen::Site, Maddr from, std::span<std::byte> to) override {
    for (size_t i = 0; i < to.size(); i++) to[i] = static_cast<std::byte>(from.v + i);
  }
  void write(xen::Site, Maddr, std::span<const std::byte>) override {}
  void copy(xen::Site, Maddr, Maddr, uint32_t) override {}
  Maybe<Gpa> translate(VcpuRef, Gva gva, Access) override { return Gpa{gva.v}; }
  Mfn allocate_page(DomId) override { return Mfn{next_page_++}; }
  void set_mapping(DomId, Gfn, Maybe<Mfn>, bool) override {}
  VirtualNs now() override { return VirtualNs{1000}; }
  xen::ClockSample clock(DomId) override { return {}; }
  std::pair<uint64_t, uint32_t> wallclock_base() override { return {0, 0}; }
  void arm_timer(xen::TimerId, VirtualNs) override {}
  void cancel_timer(xen::TimerId) override {}
  void kick(VcpuRef) override {}
  void set_runnable(VcpuRef, bool) override {}
  void yield(VcpuRef) override {}
  void start_vcpu(VcpuRef, const xen::VcpuStart&) override {}
  void assert_lapic_vector(VcpuRef, uint8_t) override {}
  bool lapic_enabled(VcpuRef) override { return true; }
  void set_gsi(DomId, uint32_t, bool) override {}
  void outside_event(DomId, Port) override {}
  void shutdown(DomId, xen::ShutdownReason) override {}
  void console_write(DomId, xen::ConsoleChannel, std::span<const std::byte>) override {}
  void lock(xen::LockState&) override {}
  void unlock(xen::LockState&) override {}
  void shared_access(xen::Site, DomId, uint32_t, xen::SharedOp) override {}

 private:
  std::vector<uint64_t> memory_ = std::vector<uint64_t>(1024);
  uint64_t next_page_ = 16;
};

class SmallCore : public xen::CoreApi {
 public:
  // `kicks`: false makes a core that forgets to.
  explicit SmallCore(xen::Platform& platform, bool kicks = true) : platform_(platform), kicks_(kicks) {}

  Status create_domain(const xen::DomainConfig& config) override {
    if (config.vcpus == 0) return input_error("no vCPU");
    platform_.allocate_page(config.id);
    return {};
  }
  void set_hvm_param(DomId, uint32_t, uint64_t) override {}
  uint64_t hypercall(VcpuRef vcpu, const xen::HypercallRegs& regs) override {
    if (regs.nr == 0) return send(vcpu, regs.args[0]);
    if (regs.nr == 1) return copy(regs.args[0]);
    return static_cast<uint64_t>(-38);
  }
  const xen::HypercallRegs* continuation_of(VcpuRef) override { return nullptr; }
  bool write_msr(VcpuRef, uint32_t, uint64_t value, bool) override { return value != 0; }
  std::optional<uint64_t> read_msr(VcpuRef, uint32_t msr) override {
    return msr == 1 ? std::optional(sum_) : std::nullopt;
  }
  std::optional<xen::XenCpuidResult> cpuid(VcpuRef, uint32_t leaf, uint32_t) override {
    return leaf == 0x40000000 ? std::optional(xen::XenCpuidResult{1, 2, 3, 4}) : std::nullopt;
  }
  void before_halt(VcpuRef vcpu) override { platform_.inject_nmi(vcpu); }
  void halt(VcpuRef vcpu, bool) override { platform_.set_runnable(vcpu, false); }
  void wake(VcpuRef vcpu, bool) override { platform_.set_runnable(vcpu, true); }
  bool is_runnable(VcpuRef) override { return true; }
  std::optional<xen::PendingUpcall> pending_upcall(VcpuRef) override { return xen::PendingUpcall{0xf3}; }
  void lapic_enabled(VcpuRef vcpu) override { platform_.assert_lapic_vector(vcpu, 0xf3); }
  void before_run(VcpuRef vcpu) override {
    platform_.store(xen::Site::kVcpuTime, Maddr{64}, 8, platform_.clock(vcpu.dom).tsc);
  }
  void timer_expired(xen::TimerId id) override { platform_.arm_timer(id, VirtualNs{platform_.now().v + 10}); }
  int soft_reset(DomId) override { return -5; }
  void preempted(VcpuRef vcpu) override { platform_.inject_nmi(vcpu); }
  int external_event(DomId dom, Port port) override {
    send({dom, VcpuId{0}}, port.v);
    return -3;
  }
  xen::HostResult host_op(const xen::HostOp& op) override {
    if (op.kind == xen::HostOpKind::kDestroyDomain) platform_.release_domain(op.guest);
    if (op.kind == xen::HostOpKind::kNotify) platform_.host_event(op.host, Port{op.number});
    if (!op.buffer.empty()) platform_.read(xen::Site::kGuestData, Maddr{op.offset}, op.buffer);
    if (!op.data.empty()) platform_.write(xen::Site::kGuestData, Maddr{op.offset}, op.data);
    return {-2, op.number + 1, Maddr{0x1000}};
  }

 private:
  struct Guard {
    xen::Platform& platform;
    xen::LockState& lock;
    Guard(xen::Platform& p, xen::LockState& l) : platform(p), lock(l) { platform.lock(lock); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { platform.unlock(lock); }
  };

  uint64_t send(VcpuRef vcpu, uint64_t port) {
    const Guard guard(platform_, lock_);
    order_ =
        order_ * 31 + port;  // guarded by the lock alone: right only if replay takes locks in the order of the trace
    XS_CHECK(port != 666);
    if (platform_.load(xen::Site::kEvtchnMask, Maddr{0xa00}, 8) >> port & 1) return 1;
    const uint64_t old =
        platform_.rmw(xen::Site::kEvtchnPending, Maddr{0x800}, 8, xen::Rmw::kOr, 1ull << (port & 63), 0);
    sum_ += old;
    if (kicks_) platform_.kick(vcpu);
    return order_;
  }
  uint64_t copy(uint64_t at) {
    std::array<std::byte, 8> bytes;
    if (!platform_.translate({DomId{1}, VcpuId{0}}, Gva{at}, Access::kRead)) return static_cast<uint64_t>(-14);
    platform_.read(xen::Site::kHypercallArgs, Maddr{at}, bytes);
    platform_.write(xen::Site::kHypercallResult, Maddr{at + 8}, bytes);
    return 0;
  }

  xen::Platform& platform_;
  xen::LockState lock_{xen::Site::kChannelLock, DomId{1}, 5};
  uint64_t order_ = 0;
  uint64_t sum_ = 0;
  bool kicks_;
};

inline xen::CoreInstance make_small_core(xen::Platform& platform, const xen::Flavour&) {
  return {std::make_unique<SmallCore>(platform), nullptr};
}

}  // namespace xensim::traces
