// What is said to be refused is what the real Xen refused, and nothing else: the transcript of the probe that asks for
// every sub-op, with a bad pointer and with zeros.
#include "models/xen/abi/state.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "models/xen/abi/errno_names.h"

namespace xensim::xen::abi {
namespace {

struct Answers {
  std::string bad_pointer, zeros;
};

// "memory_op 5: bad pointer -EFAULT, zeros 0", by what stands before the colon.
std::map<std::string, Answers> answers_of(const std::string& transcript) {
  std::map<std::string, Answers> answers;
  std::ifstream file(fmt::format("{}/tests/oracle/{}.xen.txt", XENSIM_SOURCE_DIR, transcript));
  const std::string head = transcript + ": ", bad = ": bad pointer ", zeros = ", zeros ";
  for (std::string line; std::getline(file, line);) {
    const size_t b = line.find(bad), z = line.find(zeros);
    if (!line.starts_with(head) || b == line.npos || z == line.npos) continue;
    const size_t value = b + bad.size();
    answers[line.substr(head.size(), b - head.size())] = {line.substr(value, z - value), line.substr(z + zeros.size())};
  }
  REQUIRE(answers.size() > 100);
  return answers;
}

void check_state(const CallState& state, const Answers& answers) {
  const std::string error = fmt::format("-{}", errno_name(state.error));
  if (state.kind != StateKind::kImplemented) {
    CHECK((answers.bad_pointer == error || answers.zeros == error));
    return;
  }
  // One answer to everything that is no answer to a mistake in it.
  const std::set<std::string> refusals{"-ENOSYS", "-EPERM", "-EACCES", "-EOPNOTSUPP"};
  const bool refused = answers.bad_pointer == answers.zeros && refusals.count(answers.zeros) == 1;
  CHECK_FALSE(refused);
}

// PHYSDEVOPs are there for type=hvm domains, and the probe's is none.
bool is_of_pvh(const SubopInfo& subop) { return find_hypercall(subop.call)->name != "physdev_op"; }

TEST_CASE("the state of each sub-op is what the real Xen answers") {
  const auto answers = answers_of("probe_subops");
  size_t checked = 0;
  for (const SubopInfo& subop : all_subops()) {
    const auto found = answers.find(fmt::format("{} {}", find_hypercall(subop.call)->name, subop.number));
    CAPTURE(subop.name);
    const bool asked = found != answers.end() && is_of_pvh(subop);
    if (asked) check_state(state_of(subop), found->second);
    checked += asked ? 1 : 0;
  }
  for (const HypercallInfo& call : all_hypercalls()) {
    const auto found = answers.find(std::string(call.name));
    CAPTURE(call.name);
    if (found != answers.end()) check_state(state_of(call), found->second);
  }
  CHECK(checked > 90);
}

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
