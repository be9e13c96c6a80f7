// Calls of Unicorn's that cannot fail as we make them: a failure is ours (XS_CHECK), with Unicorn's word for it.
#pragma once

#include <unicorn/unicorn.h>

#include "models/base/check.h"

namespace xensim::x86 {

inline void must(uc_err err) { XS_CHECK_MSG(err == UC_ERR_OK, uc_strerror(err)); }

}  // namespace xensim::x86
