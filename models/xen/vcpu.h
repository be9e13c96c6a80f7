// One vCPU as the hypervisor sees it: is it blocked or down, where its vcpu_info lies, its VIRQ ports, timers and time
// areas.
//
// Fields in Shared are touched without a lock, as in the hypervisors this stands for; the rest names its lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/types.h"
#include "models/xen/abi/regs.h"
#include "models/xen/api/platform.h"
#include "models/xen/locks.h"
#include "models/xen/shared.h"

namespace xensim::xen {

class Domain;

inline constexpr uint32_t kVirqCount = 24;        // xen.h, NR_VIRQS
inline constexpr uint32_t kLegacyVcpuInfos = 32;  // xen.h, XEN_LEGACY_MAX_VCPUS
inline constexpr uint32_t kPollAny = ~0u;         // Vcpu::poll_port: any port wakes it

// Where a vCPU has its vcpu_info until it registers a place of its own: a slot of shared_info, or the dummy page.
Maddr first_vcpu_info(const Domain& domain, VcpuId id);

// Accounting of how long the vCPU was in each state (vcpu.h, struct vcpu_runstate_info).
struct Runstate {
  uint32_t state = 0;  // RUNSTATE_*
  uint64_t entry_time_ns = 0;
  std::array<uint64_t, 4> time_ns{};
};

class Vcpu {
 public:
  Vcpu(Platform& platform, Domain& owner, VcpuId vcpu_id);
  Vcpu(const Vcpu&) = delete;
  Vcpu& operator=(const Vcpu&) = delete;

  Domain& domain() const { return domain_; }
  VcpuId id() const { return ref_.vcpu; }
  VcpuRef ref() const { return ref_; }
  // Is `info`, of info_at, a place of the guest's? Else it is the page that stands for all that have none.
  bool is_own_info(Maddr info) const;

  // pause_flags: may run when both are 0.
  Shared<uint32_t> blocked;  // waits for an event (SCHEDOP_block or poll, HLT)
  Shared<uint32_t> down;     // VCPUOP_down, or never brought up
  // What the Platform was last told of `blocked` and `down`; written under `lock`, for stay_awake() of poll.cc.
  std::atomic<bool> told_runnable{false};
  // What SCHEDOP_poll waits for: 0 = not polling, a port, or kPollAny.
  Shared<uint32_t> poll_port;
  // Machine address of the vcpu_info in use: a slot of shared_info, a registered place, or the dummy page.
  Shared<Maddr> info_at;
  // Trait events_wait_for_vcpu_info: the selector of a vCPU that has no vcpu_info, until it has one.
  Shared<uint64_t> held_selector;
  std::atomic<bool> info_registered{false};  // written under the domain lock
  std::atomic<bool> initialised{false};      // written under the domain lock

  // Keeps a VIRQ's port from being closed while it is raised.
  Lock virq_lock;
  std::array<std::atomic<uint32_t>, kVirqCount> virq_port{};  // 0 = not bound; written under event_lock and virq_lock

  // Per-vCPU upcall vector (HVMOP_set_evtchn_upcall_vector); 0 = none.
  std::atomic<uint8_t> upcall_vector{0};
  // Trait halt_disabled_forever: halted with interrupts off, so no event wakes it.
  std::atomic<bool> halted_for_good{false};

  // Guards what follows, and keeps Platform::set_runnable in step with `blocked` and `down`.
  Lock lock;
  Runstate runstate XS_GUARDED_BY(lock);
  // Where the guest wants its runstate, and a copy of its vcpu_time_info; 0 = nowhere. Trait areas_by_physical_address:
  // these are guest-physical.
  Gva runstate_area XS_GUARDED_BY(lock);
  Gva time_area XS_GUARDED_BY(lock);
  // Trait physical_areas: the same by guest-physical address, in pages that have a reference of the p2m's; 0 = nowhere.
  // The runstate's layout is that of the call that registered it.
  Maddr runstate_place XS_GUARDED_BY(lock);
  Maddr time_place XS_GUARDED_BY(lock);
  bool runstate_place_narrow XS_GUARDED_BY(lock) = false;
  uint64_t time_written_ns XS_GUARDED_BY(lock) = 0;     // system time last shown; 0 = never
  uint64_t periodic_period_ns XS_GUARDED_BY(lock) = 0;  // 0 = stopped
  uint64_t periodic_last_ns XS_GUARDED_BY(lock) = 0;

  // The hypercall that the vCPU is to make again, since it was preempted; the vCPU's own.
  std::optional<HypercallRegs> continuation;
  // Trait map_pirq_fault_stale: what the last call that user space answered gave; the vCPU's own.
  int64_t outside_answer = 0;

  // For CoreInspector alone: what the vCPU itself noted when it last went to sleep.
  // Touched by the vCPU itself alone: its last poll's.
  bool poll_timer_armed = false;
  std::vector<uint32_t> polled_ports;

  // For CoreInspector alone: how the vCPU last went to sleep, and the version last written into its time.
  bool sleeps_interruptible = true;
  std::atomic<uint32_t> time_version{0};

 private:
  Domain& domain_;
  const VcpuRef ref_;
};

}  // namespace xensim::xen
