// Delta debugging (Zeller, Hildebrandt 2002) over the decisions of a schedule.
#include <algorithm>

#include "sim/explore/explore.h"

namespace xensim::sim {

namespace {

std::vector<Decision> without(const std::vector<Decision>& decisions, size_t begin, size_t end) {
  std::vector<Decision> rest(decisions.begin(), decisions.begin() + static_cast<std::ptrdiff_t>(begin));
  rest.insert(rest.end(), decisions.begin() + static_cast<std::ptrdiff_t>(end), decisions.end());
  return rest;
}

}  // namespace

std::vector<Decision> shrink_decisions(std::vector<Decision> decisions,
                                       const std::function<bool(const std::vector<Decision>&)>& fails) {
  size_t piece = (decisions.size() + 1) / 2;
  while (!decisions.empty() && piece > 0) {
    bool smaller = false;
    for (size_t begin = 0; begin < decisions.size();) {
      auto rest = without(decisions, begin, std::min(begin + piece, decisions.size()));
      if (fails(rest)) {
        decisions = std::move(rest);
        smaller = true;
      } else {
        begin += piece;
      }
    }
    // A single pass that took nothing away at size one: each decision is needed.
    if (piece == 1 && !smaller) break;
    piece = piece == 1 ? 1 : (piece + 1) / 2;
  }
  return decisions;
}

}  // namespace xensim::sim
