// Words for a shell.
#include "sim/cli/paths.h"

#include <doctest/doctest.h>

namespace xensim::sim {
namespace {

TEST_CASE("a word is quoted where a shell would take it apart") {
  CHECK(shell_word("scenarios/races/poller.toml") == "scenarios/races/poller.toml");
  CHECK(shell_word("guest.0.vcpus=8") == "guest.0.vcpus=8");
  CHECK(shell_word("") == "''");
  CHECK(shell_word("a b") == "'a b'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("$(x)") == "'$(x)'");
}

}  // namespace
}  // namespace xensim::sim
