#include "models/xen/api/flavour.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace xensim::xen {
namespace {

struct Evidence {
  std::string_view trait, text;
};
constexpr Evidence kEvidence[] = {
#define XS_EVIDENCE(trait, text) {#trait, text},
#include "models/xen/api/evidence.def"
#undef XS_EVIDENCE
};

constexpr TraitInfo row(std::string_view name, bool later, bool in_kvm, bool Flavour::*value, std::string_view off,
                        std::string_view on) {
  for (const Evidence& evidence : kEvidence) {
    if (evidence.trait == name) return {name, off, on, evidence.text, later, in_kvm, value};
  }
  return {name, off, on, {}, later, in_kvm, value};
}

constexpr std::array kTraits{
#define XS_TRAIT(name, in_kvm, ...) row(#name, false, in_kvm, &Flavour::name, __VA_ARGS__),
#define XS_LATER_TRAIT(name, in_kvm, ...) row(#name, true, in_kvm, &Flavour::name, __VA_ARGS__),
#include "models/xen/api/traits.def"
#undef XS_LATER_TRAIT
#undef XS_TRAIT
};

#ifdef XENSIM_MUTANTS
constexpr MutantInfo kMutants[] = {
#define XS_MUTANT(name, what) {#name, what, &Flavour::name},
#include "models/xen/api/mutants.def"
#undef XS_MUTANT
};
#else
constexpr std::span<const MutantInfo> kMutants;
#endif

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
std::span<const MutantInfo> all_mutants() { return kMutants; }

namespace {

bool set_trait(Flavour& flavour, std::string_view name) {
  for (const TraitInfo& trait : kTraits) {
    if (trait.name == name) return flavour.*trait.value = true;
  }
  for (const MutantInfo& mutant : all_mutants()) {
    if (mutant.name == name) return flavour.*mutant.value = true;
  }
  return false;
}

Result<Flavour> preset_by_name(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PresetInfo& known : kPresets) {
    if (known.name == name) return known.flavour;
    names.push_back(known.name);
  }
  return input_error(fmt::format("unknown flavour '{}': there are {}", name, fmt::join(names, ", ")));
}

}  // namespace

Result<Flavour> flavour_by_name(std::string_view name) {
  const size_t base_end = std::min(name.find('+'), name.size());
  XS_TRY(Flavour flavour, preset_by_name(name.substr(0, base_end)));
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
