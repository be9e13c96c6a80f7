#include "models/xen/flavour.h"

#include <fmt/format.h>

#include <algorithm>
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

namespace {

bool set_trait(Flavour& flavour, std::string_view trait) {
#define XS_TRAIT(name, kvm_value, xen_text, kvm_text) \
  if (trait == #name) return flavour.name = true;
#include "models/xen/traits.def"
#undef XS_TRAIT
  return false;
}

}  // namespace

Result<Flavour> flavour_by_name(std::string_view name) {
  const size_t base_end = std::min(name.find('+'), name.size());
  const std::string_view base = name.substr(0, base_end);
  if (base != "xen" && base != "kvm") {
    return input_error(fmt::format("unknown flavour '{}': there are xen and kvm", name));
  }
  Flavour flavour = base == "kvm" ? kKvm : Flavour{};
  for (size_t at = base_end; at < name.size();) {
    const size_t end = std::min(name.find('+', at + 1), name.size());
    const std::string_view trait = name.substr(at + 1, end - at - 1);
    if (!set_trait(flavour, trait)) {
      return input_error(fmt::format("flavour '{}': there is no trait '{}' (xensim list flavours)", name, trait));
    }
    at = end;
  }
  return flavour;
}

}  // namespace xensim::xen
