// What a domain can be made with.
#pragma once

#include "models/base/result.h"
#include "models/xen/api/core_api.h"

namespace xensim::xen {

// kInput, with the reason, where there can be no such domain.
Status check_config(const DomainConfig& config);

}  // namespace xensim::xen
