// The states of calls and sub-ops, as rows and in words.
#include "models/xen/abi/state.h"

#include <doctest/doctest.h>

#include <set>

#include "models/xen/abi/errno_names.h"

namespace xensim::xen::abi {
namespace {

TEST_CASE("each row of the states names a sub-op, or a call without any, once, and says why") {
  std::set<std::string_view> known, seen;
  for (const SubopInfo& subop : all_subops()) known.insert(subop.name);
  for (const HypercallInfo& call : all_hypercalls()) {
    if (call.hvm) known.insert(call.name);
  }
  for (const StateRow& row : all_states()) {
    CAPTURE(row.name);
    CHECK(known.count(row.name) == 1);
    CHECK(seen.insert(row.name).second);
    CHECK(row.state.kind != StateKind::kImplemented);
    CHECK_FALSE(errno_name(row.state.error).empty());
    CHECK_FALSE(row.state.why.empty());
  }
}

TEST_CASE("a state in words") {
  CHECK(describe_state({}) == "implemented");
  CHECK(describe_state({StateKind::kRefused, 38, "gone"}) == "refused, -ENOSYS: gone");
  CHECK(describe_state({StateKind::kPrivileged, 1, "the toolstack's"}) == "privileged, -EPERM: the toolstack's");
}

TEST_CASE("a call that no HVM guest has is refused") {
  const HypercallInfo* call = find_hypercall(1);
  REQUIRE(call != nullptr);
  CHECK(state_of(*call).kind == StateKind::kRefused);
  CHECK(state_of(*call).error == 38);
}

}  // namespace
}  // namespace xensim::xen::abi
