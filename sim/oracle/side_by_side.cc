// See side_by_side.h.
#include "sim/oracle/side_by_side.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/oracle/transcript.h"

namespace xensim::sim {

namespace {

using Lines = std::vector<std::string>;

// Above so many pairs of lines (a quarter of a gigabyte) lines are paired by number.
constexpr size_t kMostPairs = size_t{1} << 26;

Agreement agreement_of(const std::string& left, const std::string& right) {
  if (left == right) return Agreement::kSame;
  return lines_agree(left, right) ? Agreement::kExempt : Agreement::kDiffers;
}

// longest[i][j]: of the matchings of left from i on with right from j on, the longest one's length.
class Longest {
 public:
  Longest(const Lines& left, const Lines& right)
      : columns_(right.size() + 1), length_((left.size() + 1) * columns_, 0) {
    for (size_t i = left.size(); i-- > 0;) {
      for (size_t j = right.size(); j-- > 0;) {
        at(i, j) = lines_agree(left[i], right[j]) ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
      }
    }
  }
  uint32_t& at(size_t i, size_t j) { return length_[i * columns_ + j]; }

 private:
  size_t columns_;
  std::vector<uint32_t> length_;
};

// Lines of left [i, i_end) and right [j, j_end), none of which are matched.
void add_unmatched(std::vector<SideBySide>& rows, const Lines& left, size_t i, size_t i_end, const Lines& right,
                   size_t j, size_t j_end) {
  while (i < i_end || j < j_end) {
    SideBySide row{{}, {}, Agreement::kDiffers};
    if (i < i_end) row.left = left[i++];
    if (j < j_end) row.right = right[j++];
    if (row.left && row.right) row.agreement = agreement_of(*row.left, *row.right);
    rows.push_back(std::move(row));
  }
}

}  // namespace

std::vector<SideBySide> align(const Lines& left, const Lines& right) {
  std::vector<SideBySide> rows;
  size_t i = 0, j = 0;
  if ((left.size() + 1) * (right.size() + 1) <= kMostPairs) {
    Longest longest(left, right);
    size_t from_i = 0, from_j = 0;
    while (i < left.size() && j < right.size()) {
      if (lines_agree(left[i], right[j])) {
        add_unmatched(rows, left, from_i, i, right, from_j, j);
        rows.push_back({left[i], right[j], agreement_of(left[i], right[j])});
        from_i = ++i;
        from_j = ++j;
      } else if (longest.at(i + 1, j) >= longest.at(i, j + 1)) {
        ++i;
      } else {
        ++j;
      }
    }
    i = from_i;
    j = from_j;
  }
  add_unmatched(rows, left, i, left.size(), right, j, right.size());
  return rows;
}

size_t count_differences(const std::vector<SideBySide>& rows) {
  return static_cast<size_t>(std::count_if(rows.begin(), rows.end(),
                                           [](const SideBySide& row) { return row.agreement == Agreement::kDiffers; }));
}

size_t left_width(const std::vector<SideBySide>& rows, size_t most) {
  size_t width = 0;
  for (const SideBySide& row : rows) width = std::max(width, row.left ? row.left->size() : 0);
  return std::min(width, most);
}

std::string format_row(const SideBySide& row, size_t width) {
  const char mark = row.agreement == Agreement::kSame ? ' ' : row.agreement == Agreement::kExempt ? '~' : '!';
  const std::string left = row.left.value_or("");
  const std::string right = row.right.value_or("");
  std::string text = fmt::format("{} {}", mark, left);
  if (left.size() > width) text += "\n  ", text += std::string(width, ' ');
  if (left.size() < width) text += std::string(width - left.size(), ' ');
  text += " | " + right;
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace xensim::sim
