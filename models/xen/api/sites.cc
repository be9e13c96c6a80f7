// The names of sites.def.
#include <array>

#include "models/base/check.h"
#include "models/xen/api/platform.h"

namespace xensim::xen {

const char* site_name(Site site) {
  static constexpr std::array kNames{
#define XS_SITE(enumerator, name) name,
#include "models/xen/api/sites.def"
#undef XS_SITE
  };
  static_assert(kNames.size() == static_cast<size_t>(Site::kCount));
  XS_CHECK(site < Site::kCount);
  return kNames[static_cast<size_t>(site)];
}

}  // namespace xensim::xen
