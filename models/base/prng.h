// The machine's only source of chance: a small seeded generator, the same on every host and compiler.
#pragma once

#include <cstdint>

namespace xensim {

// SplitMix64 (Steele, Lea, Flood 2014): a 64-bit state, full period, good enough for schedules; integers only.
class Prng {
 public:
  explicit constexpr Prng(uint64_t seed) : state_(seed) {}

  constexpr uint64_t next() {
    state_ += kStep;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // A number in [0, bound), bound > 0; without modulo bias worth the name (bound is far below 2^64).
  constexpr uint64_t below(uint64_t bound) { return scaled(next(), bound); }

  // The number in [0, bound) that below(bound) makes of what next() gave.
  static constexpr uint64_t scaled(uint64_t number, uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(number) * bound) >> 64);
  }

  // As `count` calls of next().
  constexpr void skip(uint64_t count) { state_ += count * kStep; }

  constexpr uint64_t state() const { return state_; }
  constexpr void set_state(uint64_t state) { state_ = state; }

 private:
  static constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
  uint64_t state_;
};

}  // namespace xensim
