// XS_CHECK: silent where the promise holds, a CheckFailure with file, line and text where it does not; in every build
// type.
#include "models/base/check.h"

#include <doctest/doctest.h>

#include <string>

namespace xensim {
namespace {

template <class F>
std::string what_of(F f) {
  try {
    f();
  } catch (const CheckFailure& failure) {
    return failure.what();
  }
  return "no failure";
}

TEST_CASE("a check that holds does nothing and evaluates its condition once") {
  int evaluated = 0;
  XS_CHECK(++evaluated == 1);
  XS_CHECK_MSG(++evaluated == 2, "unused");
  CHECK(evaluated == 2);
}

TEST_CASE("a broken check says where and what, without the build's path") {
  const int line = __LINE__ + 1;
  const std::string what = what_of([] { XS_CHECK(1 + 1 == 3); });
  CHECK(what == "tests/unit/models/base/check_test.cc:" + std::to_string(line) + ": check failed: 1 + 1 == 3");
}

TEST_CASE("a broken check with a message shows the message") {
  const int line = __LINE__ + 1;
  const std::string what = what_of([] { XS_CHECK_MSG(false, "port " + std::to_string(5)); });
  CHECK(what == "tests/unit/models/base/check_test.cc:" + std::to_string(line) + ": port 5");
}

TEST_CASE("a message is made only for a broken check") {
  int made = 0;
  const auto message = [&made] { return std::to_string(++made); };
  XS_CHECK_MSG(true, message());
  CHECK(made == 0);
}

TEST_CASE("a check is one statement") {
  bool other_branch = false;
  if (true)
    XS_CHECK(true);
  else
    other_branch = true;
  CHECK(!other_branch);
}

}  // namespace
}  // namespace xensim
