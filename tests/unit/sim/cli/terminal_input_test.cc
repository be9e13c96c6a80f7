// What is typed on a terminal, on its way to the guest.
#include "sim/cli/terminal_input.h"

#include <doctest/doctest.h>

using namespace xensim::sim;

TEST_CASE("Ctrl-A x leaves, a second Ctrl-A is one, anything else after it is dropped") {
  EscapeFilter filter;
  CHECK(filter.filter("ab\1\1c") == "ab\1c");
  CHECK(filter.filter("\1") == "");
  CHECK(filter.filter("qz") == "z");
  CHECK_FALSE(filter.quit());
  filter.filter("\1x");
  CHECK(filter.quit());
}
