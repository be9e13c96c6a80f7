// Hypercalls of hostile guests, as the fuzzer's bytes have them: the core must not crash, and its invariants must hold
// afterwards.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#include "tests/unit/models/xen/hypercall_storm.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const uint8_t> bytes(data, size);
  const auto next = [&]() -> uint64_t {
    // Mostly small numbers, a byte each; 0xff stands before a whole one.
    if (bytes.empty()) return 0;
    const uint8_t first = bytes[0];
    bytes = bytes.subspan(1);
    if (first != 0xff || bytes.size() < 8) return first;
    uint64_t whole;
    std::memcpy(&whole, bytes.data(), sizeof(whole));
    bytes = bytes.subspan(8);
    return whole;
  };
  const xensim::StormReport report = xensim::run_storm({.next = next, .more = [&] { return !bytes.empty(); }});
  for (const std::string& line : report.broken) std::fprintf(stderr, "%s\n", line.c_str());
  if (!report.broken.empty()) std::abort();
  return 0;
}
