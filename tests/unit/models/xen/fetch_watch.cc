#include "tests/unit/models/xen/fetch_watch.h"

#include <fmt/format.h>

#include <utility>

namespace xensim {

const char* protocol_word(xen::Site site) {
  using xen::Site;
  switch (site) {
    case Site::kEvtchnPending:
    case Site::kEvtchnMask:
    case Site::kPendingSel:
    case Site::kUpcallPending:
    case Site::kUpcallMask: return "bits that all vCPUs set and clear; each look at one decides for itself";
    case Site::kVcpuTime:
    case Site::kWallclock: return "a version that is read to go on from it; a wrong one hurts its reader alone";
    case Site::kGrantEntry:
    case Site::kGrantStatus: return "pinned by compare and exchange, which goes on from what it finds";
    case Site::kGrantFrame: return "read once for each operation that pins the entry anew";
    case Site::kGuestData: return "bulk data, which the core does not look into";
    case Site::kEventWord:
    case Site::kQueueHead:
    case Site::kQueueReady: return "links and bits of the FIFO queues, changed by compare and exchange";
    case Site::kSharedInfo: return "a vcpu_info that is moved as a whole";
    default: return nullptr;
  }
}

void FetchWatch::begin(std::string call) {
  call_ = std::move(call);
  read_.clear();
  watching_ = true;
}

void FetchWatch::note(xen::Site site, Maddr at, uint64_t bytes) {
  if (!watching_ || protocol_word(site) != nullptr) return;
  for (uint64_t i = 0; i < bytes; ++i) {
    const auto [found, fresh] = read_.emplace(at.v + i, site);
    if (fresh) continue;
    findings_.push_back({call_, found->second, site, Maddr{at.v + i}});
    return;
  }
}

std::string FetchWatch::describe(const Finding& finding) {
  return fmt::format("{} reads machine address {:#x} twice: {}, then {}", finding.call, finding.at.v,
                     xen::site_name(finding.first), xen::site_name(finding.second));
}

}  // namespace xensim
