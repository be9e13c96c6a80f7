#include "sim/machine/consoles.h"

#include <fmt/format.h>

#include <utility>

#include "models/base/check.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kMostLines = 1 << 24, kMostText = 1 << 24;

size_t cost_of(const ConsoleLine& line) { return sizeof line + line.guest.size() + line.text.size(); }

}  // namespace

void Consoles::reset(Listeners listeners) {
  listeners_ = std::move(listeners);
  for (std::string& line : partial_) line.clear();
  take_lines();
}

void Consoles::put(DomId dom, std::span<const std::byte> text) {
  if (listeners_.on_bytes) listeners_.on_bytes({reinterpret_cast<const char*>(text.data()), text.size()});
  std::string& line = partial_.at(dom.v - 1u);
  for (const std::byte byte : text) {
    const char c = static_cast<char>(byte);
    if (c == '\n') {
      end_line(dom);
    } else if (c != '\r') {
      line.push_back(c);
      if (line.size() == kMaxLine) end_line(dom);
    }
  }
}

void Consoles::flush(DomId dom) {
  if (!partial(dom).empty()) end_line(dom);
}

void Consoles::end_line(DomId dom) {
  const std::string& guest = scenario_.guests[dom.v - 1u].name;
  std::string& line = partial_[dom.v - 1u];
  if (listeners_.on_line) listeners_.on_line(scenario_.guests.size() > 1 ? guest + ": " + line : line);
  lines_.push_back({dom, guest, std::move(line)});
  line.clear();
  kept_ += cost_of(lines_.back());
  if (kept_ > kMaxKept) leave_out_middle();
}

// A quarter is left at the beginning, the same each time, and a quarter at the end.
void Consoles::leave_out_middle() {
  size_t first = 0, last = lines_.size(), head = 0, tail = 0;
  while (head < kMaxKept / 4) head += cost_of(lines_[first++]);
  while (tail < kMaxKept / 4) tail += cost_of(lines_[--last]);
  XS_CHECK(first < last);
  lines_.erase(lines_.begin() + static_cast<ptrdiff_t>(first), lines_.begin() + static_cast<ptrdiff_t>(last));
  left_out_ += last - first;
  left_out_at_ = first;
  kept_ = head + tail;
}

std::vector<ConsoleLine> Consoles::take_lines() {
  std::vector<ConsoleLine> lines = std::exchange(lines_, {});
  if (left_out_ != 0) {
    ConsoleLine line = lines.at(left_out_at_);
    line.text = fmt::format("[{} lines are left out here]", left_out_);
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(left_out_at_), std::move(line));
  }
  kept_ = left_out_ = left_out_at_ = 0;
  return lines;
}

void Consoles::partial_field(StateArchive& ar, DomId dom) { ar("partial_line", partial_.at(dom.v - 1u), kMaxLine - 1); }

void Consoles::lines_field(StateArchive& ar) {
  ar.each("console", lines_, kMostLines, [&](ConsoleLine& line) {
    ar("dom", line.dom);
    ar("text", line.text, kMostText);
    if (!ar.ok()) return;
    if (line.dom.v < 1 || line.dom.v > scenario_.guests.size()) return ar.fail("a console line is of no guest");
    line.guest = scenario_.guests[line.dom.v - 1u].name;
  });
  ar("console_left_out", left_out_);
  ar("console_left_out_at", left_out_at_);
  if (!ar.ok()) return;
  if (left_out_ != 0 && left_out_at_ >= lines_.size()) return ar.fail("console lines are left out beyond the last");
  kept_ = 0;
  for (const ConsoleLine& line : lines_) kept_ += cost_of(line);
}

}  // namespace xensim::sim
