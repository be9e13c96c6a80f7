// Digests of steps and of prefixes: 128 bits, so that a search of 10^9 prefixes does not take two for one.
#pragma once

#include <cstdint>
#include <span>

#include "sim/machine/access.h"

namespace xensim::sim {

// The finalizer of MurmurHash3 (Appleby): a bijection in which each bit depends on all.
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccd;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

struct Digest {
  uint64_t low = 0x243f6a8885a308d3;  // fractional digits of pi
  uint64_t high = 0x13198a2e03707344;

  // In order.
  constexpr void absorb(uint64_t value) {
    low = mix(low ^ value) + 0x9e3779b97f4a7c15;
    high = mix(high + value * 0xd6e8feb86659fd93) ^ low;
  }
  constexpr void absorb(const Digest& other) {
    absorb(other.low);
    absorb(other.high);
  }
  // In any order.
  constexpr void add(const Digest& other) {
    low += other.low;
    high += other.high;
  }

  friend constexpr bool operator==(const Digest&, const Digest&) = default;
};

// Enough to notice that a step was not what it had been.
inline uint64_t footprint_hash(std::span<const ObjectAccess> footprint) {
  uint64_t hash = footprint.size();
  for (const ObjectAccess& access : footprint) {
    hash = (hash ^ access.object) * 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 32) ^ access.mask ^ uint64_t{static_cast<uint8_t>(access.kind)} << 56) * 0xd6e8feb86659fd93;
  }
  return hash ^ (hash >> 32);
}

}  // namespace xensim::sim
