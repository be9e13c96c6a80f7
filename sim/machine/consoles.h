// Consoles: what guests write, as lines. All of a guest's channels make one stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/archive.h"
#include "sim/scenario/outcome.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

class Consoles {
 public:
  // A longer line is cut into pieces of this many bytes: one that a guest never ends would take all of the host's
  // memory.
  static constexpr size_t kMaxLine = 4096;
  // Lines of more than so many bytes together, each with what a line itself takes, are not kept: those in the middle
  // go, and one line says how many. Listeners hear them all.
  static constexpr size_t kMaxKept = 64 << 20;

  // Each may be empty.
  struct Listeners {
    std::function<void(const std::string&)> on_line;  // as it is complete; its guest's name first where there are more
    std::function<void(std::string_view)> on_bytes;   // as they come
  };

  // A console for each guest of the scenario, which outlives this.
  explicit Consoles(const Scenario& scenario) : scenario_(scenario), partial_(scenario.guests.size()) {}
  // All empty; these hear what comes from now on.
  void reset(Listeners listeners);

  // Bytes of the domain's: '\n' ends a line, '\r' is left out.
  void put(DomId dom, std::span<const std::byte> text);
  // The domain writes no more: what it has begun is a line.
  void flush(DomId dom);

  // The line that the domain has begun.
  const std::string& partial(DomId dom) const { return partial_.at(dom.v - 1u); }
  // The lines that were kept, and the same to keep, with the one that says what was left out: none are left.
  const std::vector<ConsoleLine>& lines() const { return lines_; }
  std::vector<ConsoleLine> take_lines();

  void partial_field(StateArchive& ar, DomId dom);
  void lines_field(StateArchive& ar);

 private:
  void end_line(DomId dom);
  void leave_out_middle();

  const Scenario& scenario_;
  Listeners listeners_;
  std::vector<std::string> partial_;  // by domain index
  std::vector<ConsoleLine> lines_;
  size_t kept_ = 0;           // bytes of lines_
  uint64_t left_out_ = 0;     // lines,
  uint64_t left_out_at_ = 0;  // before this one of lines_
};

}  // namespace xensim::sim
