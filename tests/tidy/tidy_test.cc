// Style as a test: what no compiler and no formatter checks, on every source file of the tree. rules_test.cc shows that
// each rule can fail.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/tidy/rules.h"

namespace xensim::tidy {
namespace {

const Tree& tree() {
  static const Tree result = read_tree(XENSIM_SOURCE_DIR);
  return result;
}

void expect_none(const Complaints& complaints) {
  for (const std::string& complaint : complaints) FAIL_CHECK(complaint);
}

TEST_CASE("the walk finds the tree, this file among it") {
  const auto& files = tree().files;
  for (const char* path : {"tests/tidy/tidy_test.cc", "models/base/types.h", "docs/README.md", "README.md"})
    CHECK_MESSAGE(std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.path == path; }), path);
}

TEST_CASE("lines have no tabs, no trailing blanks and are not too long") { expect_none(check_lines(tree())); }

TEST_CASE("every source file begins with a comment and ends with a line end") { expect_none(check_file_ends(tree())); }

TEST_CASE("headers are guarded, and project includes are full paths") { expect_none(check_headers(tree())); }

TEST_CASE("no notes to self") { expect_none(check_notes(tree())); }

TEST_CASE("no disabled tests and no dead code") { expect_none(check_disabled(tree())); }

TEST_CASE("test names are unique in their file and plain enough for CTest") { expect_none(check_test_names(tree())); }

TEST_CASE("includes follow the layers") { expect_none(check_layers(tree())); }

TEST_CASE("what leans on the engine's private state stays in its room") { expect_none(check_fast_paths(tree())); }

TEST_CASE("every folder with sources has a row in the table of layers") { expect_none(check_rooms(tree())); }

TEST_CASE("what tests and benchmarks share is in no program") { expect_none(check_testing(tree())); }

TEST_CASE("the core has no thread, no lock of its own, no clock, no file and no engine") {
  expect_none(check_core(tree()));
}

TEST_CASE("nothing nondeterministic reaches the machine") { expect_none(check_determinism(tree())); }

TEST_CASE("paths in comments and documents lead somewhere") { expect_none(check_paths_in_prose(tree())); }

}  // namespace
}  // namespace xensim::tidy
