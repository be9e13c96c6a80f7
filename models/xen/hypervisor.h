// The core's private heart: the hypervisor with its domains, an entry into it, and what every hypercall handler is
// given.
//
// Locking: the list of domains only grows, before the first guest runs; a Domain or Vcpu reference stays valid as long
// as the core.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/xen/api/core_api.h"
#include "models/xen/api/flavour.h"
#include "models/xen/api/platform.h"
#include "models/xen/domain.h"
#include "models/xen/locks.h"
#include "models/xen/vcpu.h"

namespace xensim::xen {

class Hypervisor {
 public:
  Hypervisor(Platform& platform, const Flavour& flavour) : platform_(platform), flavour_(flavour) {}

  Platform& platform() { return platform_; }
  const Flavour& flavour() const { return flavour_; }

  // nullptr where there is no such domain; `id` is a real number, not DOMID_SELF. A destroyed one is found for as long
  // as a page of it is in use.
  Domain* find_domain(DomId id) const {
    for (size_t i = 0; i < known_.size(); ++i) {
      if (known_[i].id == id && !domains_[i]->gone.load(std::memory_order_relaxed)) return domains_[i].get();
    }
    return nullptr;
  }
  // The last domain that had the id, gone or not.
  Domain* last_domain(DomId id) const {
    for (size_t i = known_.size(); i-- > 0;) {
      if (known_[i].id == id) return domains_[i].get();
    }
    return nullptr;
  }
  // A vCPU of that domain; nullptr: there is none.
  Vcpu* last_vcpu(VcpuRef ref) const {
    for (size_t i = known_.size(); i-- > 0;) {
      const Known& known = known_[i];
      if (known.id == ref.dom) return ref.vcpu.v < known.vcpus.size() ? known.vcpus[ref.vcpu.v].get() : nullptr;
    }
    return nullptr;
  }
  // In order of creation.
  const std::vector<std::unique_ptr<Domain>>& domains() const { return domains_; }
  // Those of `other`, instead of the ones here.
  void take_domains(Hypervisor& other) {
    domains_ = std::move(other.domains_);
    known_ = std::move(other.known_);
    ++times_restored_;
  }
  // How often take_domains() was called: what somebody remembers of domains does not outlive it.
  uint32_t times_restored() const { return times_restored_; }
  Domain& add_domain(const DomainConfig& config) {
    Domain& domain = *domains_.emplace_back(std::make_unique<Domain>(platform_, config));
    known_.push_back({config.id, domain.vcpus()});
    return domain;
  }

 private:
  Platform& platform_;
  const Flavour flavour_;
  std::vector<std::unique_ptr<Domain>> domains_;
  // What is looked for at each entry: a domain's vCPUs without a look at the domain, and so without a look at what the
  // vCPUs of others are writing to.
  struct Known {
    DomId id;
    std::span<const std::unique_ptr<Vcpu>> vcpus;
  };
  std::vector<Known> known_;
  uint32_t times_restored_ = 0;
};

// One entry into the core, on the stack of the actor that entered: passed to whatever may take a lock.
struct Entry : LockContext {
  explicit Entry(Hypervisor& hypervisor) : LockContext(hypervisor.platform()), hv(hypervisor) {}
  const Flavour& flavour() const { return hv.flavour(); }

  Hypervisor& hv;
  // Guest addresses behind which no memory lies read as zeroes and swallow what is written (trait holes_read_zero),
  // instead of -EFAULT.
  bool holes_read_zero = false;
};

// What a hypercall handler is given. `regs.args` are cut to 32 bits where the caller is in 32-bit mode.
struct HypercallContext : Entry {
  HypercallContext(Hypervisor& hypervisor, Domain& current_domain, Vcpu& current_vcpu, const HypercallRegs& registers)
      : Entry(hypervisor), domain(current_domain), vcpu(current_vcpu), regs(registers) {}

  bool mode64() const { return regs.mode64; }
  uint64_t arg(unsigned index) const { return regs.args[index]; }
  // A domain named by a guest: DOMID_SELF is the caller's own. nullptr: there is none.
  Domain* domain_by_any_id(DomId id) const;
  // What an operation on domain `id`, which is not ours, fails with: -ESRCH; -EPERM for domain 0, where the toolstack
  // runs.
  int64_t absent_domain_error(DomId id) const;

  Domain& domain;  // current->domain
  Vcpu& vcpu;      // current
  const HypercallRegs& regs;
  // The call was preempted and goes on with these registers (continuation.h).
  std::optional<HypercallRegs> continuation;
};

// Handlers, one a hypercall; each gives RAX (0 or positive, or a negative errno). Guest memory is reached through
// guest_access.h.
#define XS_HYPERCALL(number, name, handler, registers) int64_t handler(HypercallContext& context);
#define XS_NO_HYPERCALL(number, name)
#define XS_SUBOP(call, number, name, argument)
#include "models/xen/abi/hypercalls.def"
#undef XS_HYPERCALL
#undef XS_NO_HYPERCALL
#undef XS_SUBOP

// Calls the handler of `regs.nr`, as do_multicall and CoreApi::hypercall need it; -ENOSYS where there is none.
int64_t dispatch_hypercall(HypercallContext& context);

// Trait map_pirq_fault_stale: keeps the answer of a call that user space gives, in Vcpu::outside_answer.
void note_outside_answer(HypercallContext& context, int64_t result);

}  // namespace xensim::xen
