// Calls are printed as they end, from the canonical event stream.
#include "sim/cli/call_printer.h"

#include <doctest/doctest.h>

#include "models/base/check.h"

namespace xensim::sim {
namespace {

TEST_CASE("a stream that is damaged is a broken promise of ours, not a crash") {
  CallPrinter printer([](const std::string&) { FAIL("nothing to print"); });
  const std::byte garbage[] = {std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  CHECK_THROWS_AS(printer.consume(garbage, 1), CheckFailure);
}

TEST_CASE("nothing in, nothing out") {
  CallPrinter printer([](const std::string&) { FAIL("nothing to print"); });
  printer.consume({}, 0);
}

}  // namespace
}  // namespace xensim::sim
