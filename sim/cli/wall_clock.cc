// See wall_clock.h.
#include "sim/cli/wall_clock.h"

#include <fmt/format.h>

#include "traces/describe.h"

namespace xensim::sim {

uint64_t WallClock::ns_left() const {
  const auto left = end_ - std::chrono::steady_clock::now();
  return left.count() <= 0 ? 0 : static_cast<uint64_t>(std::chrono::nanoseconds(left).count());
}

void declare_wall_limit(CLI::App& app, std::string& text) {
  app.add_option("--wall-limit", text, "end with a report after so much real time, like 10s")->type_name("TIME");
}

Result<std::unique_ptr<WallLimit>> wall_limit_of(const std::string& text) {
  if (text.empty()) return std::unique_ptr<WallLimit>();
  const auto limit = traces::parse_time(text);
  constexpr uint64_t kMost = 1'000'000'000'000'000;
  if (!limit || limit->v == 0 || limit->v > kMost) {
    return input_error(fmt::format("--wall-limit {}: not a time like 10s or 500ms, at most 1000000s", text));
  }
  return std::unique_ptr<WallLimit>(
      std::make_unique<WallClock>(text, std::chrono::nanoseconds(static_cast<int64_t>(limit->v))));
}

}  // namespace xensim::sim
