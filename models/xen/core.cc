// The core behind CoreApi: entry points, and what its inspector and its saved state are.
#include "models/xen/api/core.h"

#include <fmt/format.h>

#include <utility>

#include "models/xen/abi/public.h"
#include "models/xen/clock.h"
#include "models/xen/cpuid_leaves.h"
#include "models/xen/domain_config.h"
#include "models/xen/evtchn.h"
#include "models/xen/host_op.h"
#include "models/xen/hypercall_page.h"
#include "models/xen/inspector.h"
#include "models/xen/lifecycle.h"
#include "models/xen/poll.h"
#include "models/xen/soft_reset.h"
#include "models/xen/state/core_state.h"
#include "models/xen/timers.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

// Xen's default and KVM's limit of event channels (the highest port).
constexpr uint32_t kDefaultMaxPort = 1023;
constexpr uint32_t kWideMaxPort = 4095;

class Core final : public CoreApi {
 public:
  Core(Platform& platform, const Flavour& flavour) : hv_(platform, flavour), inspector_(hv_), state_(hv_) {}

  const CoreInspector& inspector() const { return inspector_; }
  CoreState& state() { return state_; }

  Status create_domain(const DomainConfig& config) override;
  void set_hvm_param(DomId dom, uint32_t index, uint64_t value) override;
  uint64_t hypercall(VcpuRef ref, const HypercallRegs& regs) override;
  const HypercallRegs* continuation_of(VcpuRef ref) override;
  bool write_msr(VcpuRef ref, uint32_t msr, uint64_t value, bool mode64) override;
  std::optional<uint64_t> read_msr(VcpuRef ref, uint32_t msr) override;
  std::optional<XenCpuidResult> cpuid(VcpuRef ref, uint32_t leaf, uint32_t subleaf) override;
  void before_halt(VcpuRef ref) override;
  void halt(VcpuRef ref, bool interrupts_enabled) override;
  void wake(VcpuRef ref, bool bring_up) override;
  bool is_runnable(VcpuRef ref) override;
  std::optional<PendingUpcall> pending_upcall(VcpuRef ref) override;
  void lapic_enabled(VcpuRef ref) override;
  void before_run(VcpuRef ref) override;
  void preempted(VcpuRef ref) override;
  void timer_expired(TimerId id) override;
  int external_event(DomId dom, Port port) override;
  HostResult host_op(const HostOp& op) override;
  int soft_reset(DomId dom) override;

 private:
  // A vCPU that the machine named: it must exist.
  Vcpu& vcpu(VcpuRef ref) {
    Vcpu* const found = hv_.last_vcpu(ref);
    XS_CHECK(found != nullptr);
    return *found;
  }

  // The registers are as the caller's mode has them.
  uint64_t serve(Vcpu& current, const HypercallRegs& regs);
  // The vCPU is no longer in guest code.
  void left_guest(Vcpu& current) {
    if (!current.domain().callback_level.load(std::memory_order_relaxed)) return;
    Entry entry(hv_);
    look_for_taken_upcall(entry, current.domain());
  }

  Hypervisor hv_;
  Inspector inspector_;
  HypervisorState state_;
};

// QEMU's console takes its port before its xenstore does (probe_hvm_op.kvm). Of a new domain, which no other actor
// knows: there is nothing to lock out.
void swap_toolstack_ports(Domain& domain) XS_NO_THREAD_SAFETY_ANALYSIS {
  std::swap(domain.hvm_params[HVM_PARAM_STORE_EVTCHN], domain.hvm_params[HVM_PARAM_CONSOLE_EVTCHN]);
}

Status Core::create_domain(const DomainConfig& config) {
  XS_TRY_STATUS(check_config(config));
  if (hv_.find_domain(config.id) != nullptr) return input_error(fmt::format("domain {} exists already", config.id.v));
  DomainConfig adjusted = config;
  if (hv_.flavour().wide_event_limit && config.max_event_channels == kDefaultMaxPort) {
    adjusted.max_event_channels = kWideMaxPort;
  }
  if (hv_.flavour().pirqs_for_all) {
    adjusted.emulated_pirqs = true;
    adjusted.pirqs = PirqTable::kMax;
  }
  adjusted.empty_grant_table = hv_.flavour().grant_table_starts_empty;
  Domain& domain = hv_.add_domain(adjusted);
  if (hv_.flavour().few_hvm_ops) swap_toolstack_ports(domain);
  hv_.platform().set_runnable({domain.id(), VcpuId{0}}, true);
  return {};
}

void Core::set_hvm_param(DomId dom, uint32_t index, uint64_t value) {
  Domain* domain = hv_.find_domain(dom);
  XS_CHECK(domain != nullptr && index < kHvmParamCount);
  Entry entry(hv_);
  const LockGuard guard(entry, domain->lock);
  domain->hvm_params[index] = value;
}

uint64_t Core::hypercall(VcpuRef ref, const HypercallRegs& regs) {
  Vcpu& current = vcpu(ref);
  left_guest(current);
  current.continuation.reset();
  if (regs.mode64) return serve(current, regs);
  HypercallRegs seen = regs;
  seen.nr &= 0xffffffff;
  for (uint64_t& argument : seen.args) argument &= 0xffffffff;
  return serve(current, seen) & 0xffffffff;
}

uint64_t Core::serve(Vcpu& current, const HypercallRegs& regs) {
  if (regs.cpl != 0) return static_cast<uint64_t>(-XEN_EPERM);
  HypercallContext context(hv_, current.domain(), current, regs);
  const int64_t result = dispatch_hypercall(context);
  if (hv_.flavour().map_pirq_fault_stale) note_outside_answer(context, result);
  // Few calls are: to copy what is not there would take longer than the rest of the way in and out.
  if (context.continuation) [[unlikely]]
    current.continuation = context.continuation;
  return static_cast<uint64_t>(result);
}

const HypercallRegs* Core::continuation_of(VcpuRef ref) {
  const Vcpu& current = vcpu(ref);
  return current.continuation ? &*current.continuation : nullptr;
}

bool Core::write_msr(VcpuRef ref, uint32_t msr, uint64_t value, bool mode64) {
  Entry entry(hv_);
  Vcpu& current = vcpu(ref);
  left_guest(current);
  if (!write_hypercall_msr(entry, current, msr, value)) return false;
  latch_abi(entry, current.domain(), mode64);
  return true;
}

std::optional<uint64_t> Core::read_msr(VcpuRef ref, uint32_t msr) {
  Entry entry(hv_);
  left_guest(vcpu(ref));
  return read_hypercall_msr(entry, vcpu(ref), msr);
}

std::optional<XenCpuidResult> Core::cpuid(VcpuRef ref, uint32_t leaf, uint32_t subleaf) {
  Entry entry(hv_);
  left_guest(vcpu(ref));
  return xen_cpuid(entry, vcpu(ref), leaf, subleaf);
}

void Core::before_halt(VcpuRef ref) {
  if (hv_.flavour().halt_keeps_mask) return;
  Entry entry(hv_);
  unmask_upcalls(entry, vcpu(ref));
}

void Core::halt(VcpuRef ref, bool interrupts_enabled) {
  Entry entry(hv_);
  Vcpu& current = vcpu(ref);
  left_guest(current);
  if (interrupts_enabled) {
    block(entry, current, true);
  } else if (hv_.flavour().halt_disabled_forever) {
    current.halted_for_good.store(true);
    block(entry, current, false);
  } else {
    take_down(entry, current);
  }
}

void Core::wake(VcpuRef ref, bool bring_up) {
  Entry entry(hv_);
  Vcpu& target = vcpu(ref);
  if (bring_up) {
    target.halted_for_good.store(false);
    target.initialised.store(true);
    if (target.down.exchange(0) != 0) sync_runnable(entry, target);
  }
  unblock(entry, target);
}

bool Core::is_runnable(VcpuRef ref) {
  const Vcpu& target = vcpu(ref);
  return target.blocked.peek() == 0 && target.down.peek() == 0 && !target.domain().shut_down.load();
}

std::optional<PendingUpcall> Core::pending_upcall(VcpuRef ref) {
  Entry entry(hv_);
  left_guest(vcpu(ref));
  return xen::pending_upcall(entry, vcpu(ref));
}

void Core::lapic_enabled(VcpuRef ref) {
  Entry entry(hv_);
  reassert_after_lapic_enabled(entry, vcpu(ref));
}

void Core::before_run(VcpuRef ref) {
  Entry entry(hv_);
  Vcpu& target = vcpu(ref);
  {
    LockGuard guard(entry, target.lock);
    // Another vCPU may have taken it down since the machine saw that it can run.
    if (target.told_runnable.load()) change_runstate(entry, target, RUNSTATE_running);
  }
  after_poll(entry, target);
  refresh_vcpu_time(entry, target);
  update_runstate_area(entry, target);
  if (!hv_.flavour().periodic_ticks_while_blocked) periodic_work(entry, target);
}

void Core::preempted(VcpuRef ref) {
  Entry entry(hv_);
  Vcpu& target = vcpu(ref);
  {
    LockGuard guard(entry, target.lock);
    if (target.runstate.state != RUNSTATE_running) return;
    change_runstate(entry, target, RUNSTATE_runnable);
  }
  update_runstate_area(entry, target);
}

void Core::timer_expired(TimerId id) {
  Entry entry(hv_);
  Vcpu& target = vcpu(id.vcpu);
  if (target.domain().dying.load()) return;  // it was on its way when it was cancelled
  switch (id.kind) {
    case TimerKind::kSingleshot: send_timer_event(entry, target); return;
    case TimerKind::kPeriodic: periodic_work(entry, target); return;
    case TimerKind::kPoll: poll_timer_expired(entry, target); return;
    case TimerKind::kWatchdog0:
    case TimerKind::kWatchdog1: shut_down(entry, target.domain(), SHUTDOWN_watchdog); return;
  }
}

int Core::external_event(DomId dom, Port port) {
  Entry entry(hv_);
  Domain* domain = hv_.find_domain(dom);
  if (domain == nullptr) return -XEN_ESRCH;
  return static_cast<int>(raise_external_event(entry, *domain, port.v));
}

HostResult Core::host_op(const HostOp& op) {
  Entry entry(hv_);
  return do_host_op(entry, op);
}

int Core::soft_reset(DomId dom) {
  Entry entry(hv_);
  Domain* domain = hv_.find_domain(dom);
  if (domain == nullptr) return -XEN_ESRCH;
  return static_cast<int>(xen::soft_reset(entry, *domain));
}

}  // namespace

CoreInstance make_core(Platform& platform, const Flavour& flavour) {
  auto core = std::make_unique<Core>(platform, flavour);
  const CoreInspector* inspector = &core->inspector();
  CoreState& state = core->state();
  return {std::move(core), inspector, &state};
}

}  // namespace xensim::xen
