#include "sim/machine/consoles.h"

#include <utility>

namespace xensim::sim {

namespace {

constexpr uint64_t kMostLines = 1 << 24, kMostText = 1 << 24;

}  // namespace

void Consoles::reset(Listeners listeners) {
  listeners_ = std::move(listeners);
  for (std::string& line : partial_) line.clear();
  lines_.clear();
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
  lines_.push_back({dom, guest, std::move(line)});
  line.clear();
  if (!listeners_.on_line) return;
  const std::string& text = lines_.back().text;
  listeners_.on_line(scenario_.guests.size() > 1 ? guest + ": " + text : text);
}

std::vector<ConsoleLine> Consoles::take_lines() { return std::exchange(lines_, {}); }

void Consoles::partial_field(xen::StateArchive& ar, DomId dom) {
  ar("partial_line", partial_.at(dom.v - 1u), kMaxLine - 1);
}

void Consoles::lines_field(xen::StateArchive& ar) {
  ar.each("console", lines_, kMostLines, [&](ConsoleLine& line) {
    ar("dom", line.dom);
    ar("text", line.text, kMostText);
    if (!ar.ok()) return;
    if (line.dom.v < 1 || line.dom.v > scenario_.guests.size()) return ar.fail("a console line is of no guest");
    line.guest = scenario_.guests[line.dom.v - 1u].name;
  });
}

}  // namespace xensim::sim
