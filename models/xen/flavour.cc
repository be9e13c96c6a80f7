#include "models/xen/flavour.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

namespace xensim::xen {
namespace {

constexpr TraitInfo row(std::string_view name, bool later, bool in_kvm, bool Flavour::*value, std::string_view off,
                        std::string_view on, std::string_view evidence = {}) {
  return {name, off, on, evidence, later, in_kvm, value};
}

constexpr std::array kTraits{
#define XS_TRAIT(name, in_kvm, ...) row(#name, false, in_kvm, &Flavour::name, __VA_ARGS__),
#define XS_LATER_TRAIT(name, in_kvm, ...) row(#name, true, in_kvm, &Flavour::name, __VA_ARGS__),
#include "models/xen/traits.def"
#undef XS_LATER_TRAIT
#undef XS_TRAIT
};

constexpr Flavour preset(bool later, bool kvm) {
  Flavour flavour;
  for (const TraitInfo& trait : kTraits) flavour.*trait.value = (later && trait.later) || (kvm && trait.in_kvm);
  return flavour;
}

constexpr PresetInfo kPresets[] = {
    {"xen", "Xen 4.17", preset(false, false)},
    {"xen-4.20", "Xen 4.20", preset(true, false)},
    {"kvm", "Linux 6.12's KVM with QEMU 10's emulation", preset(false, true)},
};

}  // namespace

std::span<const TraitInfo> all_traits() { return kTraits; }
std::span<const PresetInfo> all_presets() { return kPresets; }

Result<Flavour> flavour_by_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PresetInfo& known : kPresets) {
    if (known.name == name) return known.flavour;
    names.push_back(known.name);
  }
  return input_error(fmt::format("unknown flavour '{}': there are {}", name, fmt::join(names, ", ")));
}

}  // namespace xensim::xen
