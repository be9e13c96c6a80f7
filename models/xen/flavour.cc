#include "models/xen/flavour.h"

#include <fmt/format.h>

#include <array>

namespace xensim::xen {
namespace {

constexpr std::array kTraits{
#define XS_TRAIT(name, kvm_value, xen_text, kvm_text) TraitInfo{#name, xen_text, kvm_text, kvm_value},
#include "models/xen/traits.def"
#undef XS_TRAIT
};

constexpr Flavour kKvm{
#define XS_TRAIT(name, kvm_value, xen_text, kvm_text) .name = kvm_value,
#include "models/xen/traits.def"
#undef XS_TRAIT
};

}  // namespace

std::span<const TraitInfo> all_traits() { return kTraits; }

Result<Flavour> flavour_by_name(std::string_view name) {
  if (name == "xen") return Flavour{};
  if (name == "kvm") return kKvm;
  return input_error(fmt::format("unknown flavour '{}': there are xen and kvm", name));
}

}  // namespace xensim::xen
