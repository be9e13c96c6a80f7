#include "models/xen/abi/errno_names.h"

#include <iterator>

#include "models/xen/abi/public.h"

namespace xensim::xen::abi {
namespace {

struct ErrorName {
  int64_t value;
  std::string_view name;
};

constexpr ErrorName kErrors[] = {
#define XEN_ERRNO(name, value) {value, #name},
#include <xen/errno.h>
};

// By -status (grant_table.h).
constexpr std::string_view kGrantStatus[] = {
    "GNTST_okay",         "GNTST_general_error",   "GNTST_bad_domain",
    "GNTST_bad_gntref",   "GNTST_bad_handle",      "GNTST_bad_virt_addr",
    "GNTST_bad_dev_addr", "GNTST_no_device_space", "GNTST_permission_denied",
    "GNTST_bad_page",     "GNTST_bad_copy_arg",    "GNTST_address_too_big",
    "GNTST_eagain",       "GNTST_no_space",
};
static_assert(std::size(kGrantStatus) == -GNTST_no_space + 1);

}  // namespace

std::string_view errno_name(int64_t value) {
  const int64_t wanted = value < 0 ? -value : value;
  for (const ErrorName& error : kErrors) {
    if (error.value == wanted) return error.name;  // an alias comes after the name that is meant
  }
  return {};
}

std::string_view grant_status_name(int64_t value) {
  if (value > 0 || value < GNTST_no_space) return {};
  return kGrantStatus[-value];
}

}  // namespace xensim::xen::abi
