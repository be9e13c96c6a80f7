#include "models/xen/domain.h"

#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

Maddr new_page(Platform& platform, DomId owner) { return {platform.allocate_page(owner).v << kPageShift}; }

}  // namespace

Domain::Domain(Platform& platform, const DomainConfig& config)
    : lock(LockRank::kDomain, Site::kDomainLock, config.id),
      evtchn(platform, config.id, config.max_event_channels, config.reserved_ports),
      callback_via(platform, Site::kCallbackVia, config.id),
      callback_lock(LockRank::kCallback, Site::kCallbackLock, config.id),
      poll_mask{{{platform, Site::kPollMask, config.id, 0}, {platform, Site::kPollMask, config.id, 1}}},
      id_(config.id),
      privileged_(config.privileged),
      toolstack_ports_(config.reserved_ports),
      shared_info_(new_page(platform, config.id)),
      p2m_(std::make_unique<P2m>(platform, config)),
      grants_(std::make_unique<GrantTable>(platform, config)) {
  // As the toolstack leaves them.
  if (config.reserved_ports >= 1) hvm_params[HVM_PARAM_STORE_EVTCHN] = 1;
  if (config.reserved_ports >= 2) hvm_params[HVM_PARAM_CONSOLE_EVTCHN] = 2;
  if (config.vcpus > kLegacyVcpuInfos) dummy_info_ = new_page(platform, config.id);
  vcpus_.reserve(config.vcpus);
  for (uint32_t number = 0; number < config.vcpus; ++number) {
    vcpus_.push_back(std::make_unique<Vcpu>(platform, *this, VcpuId{number}));
  }
}

Domain::~Domain() = default;

}  // namespace xensim::xen
