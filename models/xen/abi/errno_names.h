// Names of the errors that a guest sees: errno (Xen's numbers, xen/errno.h) and GNTST_*.
#pragma once

#include <cstdint>
#include <string_view>

namespace xensim::xen::abi {

// "EINVAL" for 22 or -22; empty where there is no such error.
std::string_view errno_name(int64_t value);
// "GNTST_bad_gntref" for -3; empty where there is no such status.
std::string_view grant_status_name(int64_t value);

}  // namespace xensim::xen::abi
