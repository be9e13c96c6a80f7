#include "models/xen/abi/state.h"

#include <fmt/format.h>

#include "models/xen/abi/errno_names.h"
#include "models/xen/abi/public.h"

namespace xensim::xen::abi {
namespace {

constexpr StateRow kRows[] = {
#define XS_STATE(name, kind, error, why) {#name, {StateKind::kind, XEN_##error, why}},
#include "models/xen/abi/states.def"
#undef XS_STATE
};

CallState find(std::string_view name) {
  for (const StateRow& row : kRows) {
    if (row.name == name) return row.state;
  }
  return {};
}

}  // namespace

std::span<const StateRow> all_states() { return kRows; }

CallState state_of(const SubopInfo& subop) { return find(subop.name); }

CallState state_of(const HypercallInfo& call) {
  if (!call.hvm) return {StateKind::kRefused, XEN_ENOSYS, "of PV guests, or gone; HVM guests have no such call"};
  return find(call.name);
}

std::string describe_state(const CallState& state) {
  if (state.kind == StateKind::kImplemented) return "implemented";
  return fmt::format("{}, -{}: {}", state.kind == StateKind::kRefused ? "refused" : "privileged",
                     errno_name(state.error), state.why);
}

}  // namespace xensim::xen::abi
