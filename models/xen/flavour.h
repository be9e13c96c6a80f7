// Flavours: named traits, one for each measured difference between implementations of the ABI. Code tests the trait,
// never the flavour's name. `xen` is Xen 4.17 (what each trait's false stands for); `kvm` is Linux 6.12's KVM with QEMU
// 10's emulation.
#pragma once

#include <span>
#include <string_view>

#include "models/base/result.h"

namespace xensim::xen {

struct Flavour {
#define XS_TRAIT(name, kvm_value, xen_text, kvm_text) bool name = false;
#include "models/xen/traits.def"
#undef XS_TRAIT
};

// One row of `xensim list flavours`.
struct TraitInfo {
  std::string_view name;
  std::string_view xen;  // what Xen 4.17 does (trait off)
  std::string_view kvm;  // what KVM 6.12 with QEMU 10 does (trait on)
  bool in_kvm;
};

std::span<const TraitInfo> all_traits();
// `xen` or `kvm`, with traits that are on besides: `xen+poll_timeout_relative`. kInput for any other name.
Result<Flavour> flavour_by_name(std::string_view name);

}  // namespace xensim::xen
