// Result, Status and the two macros that pass errors on.
#include "models/base/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace xensim {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return input_error(std::string("not a digit: ") + c);
  return c - '0';
}

Result<int> sum(const std::string& digits, int* seen) {
  int total = 0;
  for (const char c : digits) {
    XS_TRY(const int digit, parse_digit(c));
    ++*seen;
    total += digit;
  }
  return total;
}

Status require_digits(const std::string& digits, int* seen) {
  XS_TRY_STATUS(sum(digits, seen));
  ++*seen;
  return {};
}

TEST_CASE("the error kinds are the exit statuses of the command line's contract") {
  CHECK(static_cast<int>(ErrorKind::kInput) == 2);
  CHECK(static_cast<int>(ErrorKind::kEnvironment) == 3);
}

TEST_CASE("a result is a value or an error") {
  const Result<int> good = parse_digit('7');
  REQUIRE(good);
  CHECK(*good == 7);

  const Result<int> bad = parse_digit('x');
  REQUIRE(!bad);
  CHECK(bad.error().kind == ErrorKind::kInput);
  CHECK(bad.error().message == "not a digit: x");

  const Result<int> missing = environment_error("no /dev/kvm");
  REQUIRE(!missing);
  CHECK(missing.error().kind == ErrorKind::kEnvironment);
}

TEST_CASE("XS_TRY binds the value, or returns the error at once") {
  int seen = 0;
  const Result<int> good = sum("123", &seen);
  REQUIRE(good);
  CHECK(*good == 6);
  CHECK(seen == 3);

  seen = 0;
  const Result<int> bad = sum("1x3", &seen);
  REQUIRE(!bad);
  CHECK(bad.error().message == "not a digit: x");
  CHECK(seen == 1);
}

TEST_CASE("XS_TRY moves a value that cannot be copied") {
  const auto make = [](bool ok) -> Result<std::unique_ptr<int>> {
    if (!ok) return environment_error("none left");
    return std::make_unique<int>(5);
  };
  const auto twice = [&make](bool ok) -> Result<int> {
    XS_TRY(const std::unique_ptr<int> p, make(ok));
    return *p * 2;
  };
  CHECK(twice(true).value() == 10);
  CHECK(twice(false).error().kind == ErrorKind::kEnvironment);
}

TEST_CASE("XS_TRY_STATUS passes an error on and goes on otherwise") {
  int seen = 0;
  CHECK(require_digits("12", &seen));
  CHECK(seen == 3);
  seen = 0;
  CHECK(!require_digits("?", &seen));
  CHECK(seen == 0);
}

TEST_CASE("a status is good from the start") { CHECK(Status{}); }

}  // namespace
}  // namespace xensim
