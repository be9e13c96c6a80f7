// Flavours: named traits, one for each measured difference between implementations of the ABI. Code tests the trait,
// never the flavour's name. A trait that is off stands for Xen 4.17; the presets are `xen` (all off), `xen-4.20` (what
// later Xen changed) and `kvm` (Linux 6.12's KVM with QEMU 10's emulation).
#pragma once

#include <span>
#include <string_view>

#include "models/base/result.h"

namespace xensim::xen {

struct Flavour {
#define XS_TRAIT(name, in_kvm, ...) bool name = false;
#define XS_LATER_TRAIT(name, in_kvm, ...) bool name = false;
#include "models/xen/api/traits.def"
#undef XS_LATER_TRAIT
#undef XS_TRAIT

  // Planted defects (mutants.def).
#ifdef XENSIM_MUTANTS
#define XS_MUTANT(name, ...) bool name = false;
#else
#define XS_MUTANT(name, ...) static constexpr bool name = false;
#endif
#include "models/xen/api/mutants.def"
#undef XS_MUTANT
};

// A planted defect; it is switched on like a trait.
struct MutantInfo {
  std::string_view name;
  std::string_view what;
  bool Flavour::*value;
};

// One row of `xensim list flavours`.
struct TraitInfo {
  std::string_view name;
  std::string_view off;       // what Xen 4.17 does
  std::string_view on;        // what KVM with QEMU does, or (a later trait) Xen 4.20
  std::string_view evidence;  // as evidence.def has it
  bool later;                 // Xen itself changed: off in Xen 4.17, on in Xen 4.20
  bool in_kvm;
  bool Flavour::*value;
};

struct PresetInfo {
  std::string_view name;
  std::string_view description;
  Flavour flavour;
};

std::span<const TraitInfo> all_traits();
std::span<const PresetInfo> all_presets();
// None in builds without XENSIM_MUTANTS.
std::span<const MutantInfo> all_mutants();
// Of a preset, with traits or mutants that are on besides: `xen+poll_timeout_relative`. kInput for any other name.
Result<Flavour> flavour_by_name(std::string_view name);

}  // namespace xensim::xen
