#include "sim/machine/soft_resets.h"

#include <algorithm>

namespace xensim::sim {

void SoftResets::set_paused(const Domain& domain, bool paused) {
  for (const ActorId id : domain.vcpus) {
    actors_[id].paused = paused;
    actors_.refresh(actors_[id]);
  }
}

void SoftResets::pause(Domain& domain) {
  domain.resetting = any_ = true;
  set_paused(domain, true);
}

void SoftResets::finish(std::vector<Domain>& domains, const std::function<void(Domain&)>& reset) {
  any_ = false;
  for (Domain& domain : domains) {
    if (!domain.resetting) continue;
    const auto inside = [&](ActorId id) { return actors_[id].in_entry; };
    if (std::any_of(domain.vcpus.begin(), domain.vcpus.end(), inside)) {
      any_ = true;
      continue;
    }
    domain.resetting = false;
    reset(domain);
    set_paused(domain, false);
  }
}

}  // namespace xensim::sim
