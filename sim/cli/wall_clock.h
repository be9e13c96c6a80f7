// --wall-limit: the option, and the clock that it is about.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "models/base/result.h"
#include "sim/machine/wall_limit.h"

namespace xensim::sim {

class WallClock final : public WallLimit {
 public:
  // From now on.
  WallClock(std::string words, std::chrono::nanoseconds limit)
      : words_(std::move(words)), end_(std::chrono::steady_clock::now() + limit) {}
  uint64_t ns_left() const override;
  const std::string& words() const override { return words_; }

 private:
  std::string words_;
  std::chrono::steady_clock::time_point end_;
};

void declare_wall_limit(CLI::App& app, std::string& text);
// nullptr: none was given. kInput: that is no time.
Result<std::unique_ptr<WallLimit>> wall_limit_of(const std::string& text);

}  // namespace xensim::sim
