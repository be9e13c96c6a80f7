// How lines of two transcripts are matched, counted and shown.
#include "sim/oracle/side_by_side.h"

#include <doctest/doctest.h>

namespace xensim::sim {
namespace {

using Lines = std::vector<std::string>;

// One letter a row: its agreement; `<` and `>` where one side alone has a line.
std::string shape(const std::vector<SideBySide>& rows) {
  std::string text;
  for (const SideBySide& row : rows) {
    if (!row.left || !row.right) {
      text += row.left ? '<' : '>';
      CHECK(row.agreement == Agreement::kDiffers);
      continue;
    }
    text += row.agreement == Agreement::kSame ? '=' : row.agreement == Agreement::kExempt ? '~' : '!';
  }
  return text;
}

TEST_CASE("lines are matched in order") {
  CHECK(shape(align({"a: 1", "a: 2"}, {"a: 1", "a: 2"})) == "==");
  CHECK(shape(align({"a: 1", "a: 2", "a: 3"}, {"a: 1", "a: x", "a: 3"})) == "=!=");
  CHECK(shape(align({}, {})).empty());
  CHECK(shape(align({"a: 1"}, {})) == "<");
  CHECK(shape(align({}, {"a: 1", "a: 2"})) == ">>");
}

TEST_CASE("a line that one side lacks does not shift those after it") {
  CHECK(shape(align({"a: 1", "a: 2", "a: 3"}, {"a: 1", "a: 3"})) == "=<=");
  CHECK(shape(align({"a: 1", "a: 3"}, {"a: 0", "a: 1", "a: 2", "a: 3"})) == ">=>=");
  CHECK(shape(align({"a: 1", "a: 2", "a: x", "a: 9"}, {"a: 1", "a: y", "a: 9"})) == "=!<=");
}

TEST_CASE("lines with a tilde are exempt, and matched with each other") {
  const auto rows = align({"a: ~ 1", "a: 2"}, {"a: ~ 7", "a: 2"});
  CHECK(shape(rows) == "~=");
  CHECK(count_differences(rows) == 0);
  CHECK(shape(align({"a: ~ 1"}, {"a: 1"})) == "!");
}

TEST_CASE("differences are counted") {
  CHECK(count_differences(align({"a: 1", "a: 2"}, {"a: 1", "a: 3", "a: 4"})) == 2);
}

TEST_CASE("very long transcripts are paired by number") {
  const Lines left(9000, "a: 1");
  Lines right(9000, "a: 1");
  right[5] = "a: 2";
  const auto rows = align(left, right);
  CHECK(rows.size() == 9000);
  CHECK(count_differences(rows) == 1);
}

TEST_CASE("a row has a mark, and columns") {
  CHECK(format_row({"a: 1", "a: 1", Agreement::kSame}, 6) == "  a: 1   | a: 1");
  CHECK(format_row({"a: 1", "a: 2", Agreement::kDiffers}, 4) == "! a: 1 | a: 2");
  CHECK(format_row({"a: ~ 1", "a: ~ 2", Agreement::kExempt}, 6) == "~ a: ~ 1 | a: ~ 2");
  CHECK(format_row({"a: 1", {}, Agreement::kDiffers}, 4) == "! a: 1 |");
  CHECK(format_row({{}, "a: 1", Agreement::kDiffers}, 4) == "!      | a: 1");
  CHECK(format_row({"a: longer", "a: 2", Agreement::kDiffers}, 4) == "! a: longer\n       | a: 2");
}

TEST_CASE("the column is as wide as the left lines, up to a limit") {
  const auto rows = align({"a: 1", "a: longer"}, {});
  CHECK(left_width(rows, 80) == 9);
  CHECK(left_width(rows, 5) == 5);
}

}  // namespace
}  // namespace xensim::sim
