// One domain: its vCPUs, shared_info, event channels, and what the parts of the core that have files of their own keep
// for it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/base/types.h"
#include "models/xen/api/core_api.h"
#include "models/xen/api/platform.h"
#include "models/xen/evtchn_table.h"
#include "models/xen/locks.h"
#include "models/xen/pirq.h"
#include "models/xen/shared.h"
#include "models/xen/state/fields_of.h"
#include "models/xen/vcpu.h"

namespace xensim::xen {

class P2m;         // p2m.h
class GrantTable;  // grant_table.h

inline constexpr uint32_t kMaxVcpus = 128;  // hvm_info_table.h, HVM_MAX_VCPUS

class Domain {
 public:
  // `config` was checked. vCPU 0 is up, the others are down; ports 1 to reserved_ports are taken.
  Domain(Platform& platform, const DomainConfig& domain_config);
  ~Domain();
  Domain(const Domain&) = delete;
  Domain& operator=(const Domain&) = delete;

  // As it was made.
  const DomainConfig config;

  DomId id() const { return id_; }
  bool privileged() const { return privileged_; }
  // May it have emulated interrupts as PIRQs (type=hvm, or trait pirqs_for_all)?
  bool has_pirqs() const { return has_pirqs_; }
  std::span<const std::unique_ptr<Vcpu>> vcpus() const { return vcpus_; }
  uint32_t vcpu_count() const { return static_cast<uint32_t>(vcpus_.size()); }
  // nullptr: there is no such vCPU. Any number a guest gave may be asked.
  Vcpu* vcpu(uint64_t number) { return number < vcpus_.size() ? vcpus_[number].get() : nullptr; }
  const Vcpu* vcpu(uint64_t number) const { return number < vcpus_.size() ? vcpus_[number].get() : nullptr; }

  P2m& p2m() { return *p2m_; }
  GrantTable& grants() { return *grants_; }

  // The page every guest of the ABI maps with XENMAPSPACE_shared_info.
  Maddr shared_info() const { return shared_info_; }
  // Where vCPUs without a slot in shared_info have their vcpu_info until they register one; Maddr{0}: no such vCPU.
  Maddr dummy_info() const { return dummy_info_; }

  // Guards vCPU lifecycle, registration of vcpu_info, HVM parameters.
  Lock lock;
  std::array<uint64_t, kHvmParamCount> hvm_params XS_GUARDED_BY(lock) = {};

  // Layout of shared_info and vcpu_info, latched from the bitness of the vCPU that wrote the hypercall-page MSR or set
  // the callback; read everywhere without a lock, as Xen does. Use latch_abi() of clock.h to change it.
  std::atomic<bool> abi32{false};
  // VMASST_TYPE_* bits that are on (xen.h).
  std::atomic<uint64_t> vm_assist{0};
  std::atomic<bool> shut_down{false};
  // Destroyed by the toolstack (domain_end.h); and none of its pages is in use any more.
  std::atomic<bool> dying{false};
  std::atomic<bool> gone{false};
  std::atomic<uint32_t> wallclock_version{0};  // as last written; for CoreInspector alone
  // SCHEDOP_shutdown_code: the reason that a later shutdown gives whatever it says itself (SHUTDOWN_*); none: not set.
  std::optional<uint8_t> shutdown_code XS_GUARDED_BY(lock);

  EvtchnTable evtchn;
  PirqTable pirqs XS_GUARDED_BY(lock);

  // SCHEDOP_watchdog: deadlines in use, a bit each.
  uint32_t watchdogs_in_use XS_GUARDED_BY(lock) = 0;

  // Has it a PIC and an IO-APIC, which callbacks by GSI and PCI INTx go through?
  const bool has_pic;
  // Callback via: HVM_PARAM_CALLBACK_IRQ as it is in force; decoded by upcall.h.
  Shared<uint64_t> callback_via;
  // Is a GSI or INTx callback asserted, or would it be? Written under callback_lock; exits look without it.
  std::atomic<bool> callback_level{false};
  Lock callback_lock;
  // vCPUs that are in SCHEDOP_poll, 64 to a word.
  std::array<Shared<uint64_t>, kMaxVcpus / 64> poll_mask;

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  DomId id_;
  bool privileged_;
  bool has_pirqs_;
  Maddr shared_info_;
  Maddr dummy_info_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  std::unique_ptr<P2m> p2m_;
  std::unique_ptr<GrantTable> grants_;
};

}  // namespace xensim::xen
