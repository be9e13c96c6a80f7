// Two transcripts side by side: which lines belong together, and how that is shown.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace xensim::sim {

enum class Agreement { kSame, kExempt, kDiffers };

struct SideBySide {
  std::optional<std::string> left, right;  // nullopt: the other side alone has a line here
  Agreement agreement;
};

// Lines that agree are matched, as many as can be in order; between them, what is left is paired from the top.
std::vector<SideBySide> align(const std::vector<std::string>& left, const std::vector<std::string>& right);
size_t count_differences(const std::vector<SideBySide>& rows);
// One line (two where the left does not fit its column), with a mark first: ' ' same, '~' exempt, '!' differs.
// `width` is the left column's.
std::string format_row(const SideBySide& row, size_t width);
// The column that the left lines need, at most `most`.
size_t left_width(const std::vector<SideBySide>& rows, size_t most);

}  // namespace xensim::sim
