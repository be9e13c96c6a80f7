#include "models/xen/vcpu.h"

#include "models/xen/abi/public.h"
#include "models/xen/domain.h"

namespace xensim::xen {

Maddr first_vcpu_info(const Domain& domain, VcpuId id) {
  if (id.v >= kLegacyVcpuInfos) return domain.dummy_info();
  return {domain.shared_info().v + id.v * sizeof(vcpu_info)};
}

Vcpu::Vcpu(Platform& platform, Domain& owner, VcpuId vcpu_id)
    : blocked(platform, Site::kBlocked, owner.id(), vcpu_id.v),
      down(platform, Site::kDown, owner.id(), vcpu_id.v, vcpu_id.v == 0 ? 0u : 1u),
      told_runnable(vcpu_id.v == 0),
      poll_port(platform, Site::kPollPort, owner.id(), vcpu_id.v),
      info_at(platform, Site::kVcpuInfoPointer, owner.id(), vcpu_id.v, first_vcpu_info(owner, vcpu_id)),
      held_selector(platform, Site::kHeldSelector, owner.id(), vcpu_id.v),
      initialised(vcpu_id.v == 0),
      virq_lock(LockRank::kVirq, Site::kVirqLock, owner.id(), vcpu_id.v),
      lock(LockRank::kVcpu, Site::kVcpuLock, owner.id(), vcpu_id.v),
      domain_(owner),
      ref_{owner.id(), vcpu_id} {
  runstate.state = vcpu_id.v == 0 ? RUNSTATE_runnable : RUNSTATE_offline;
}

bool Vcpu::is_own_info(Maddr info) const { return info != domain_.dummy_info(); }

}  // namespace xensim::xen
