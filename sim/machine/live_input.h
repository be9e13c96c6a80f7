// LiveInput: somebody or something that types on the console of the first guest while it runs. What it gives is
// recorded with its turn, so that the run can be made again without it.
#pragma once

#include <cstdint>
#include <string>

namespace xensim::sim {

class LiveInput {
 public:
  virtual ~LiveInput() = default;
  // What was typed by now; empty: nothing. Once `closed` is true nothing will come any more.
  virtual std::string poll() = 0;
  // The guest idles: waits until something was typed, at most `virtual_ns` (of real time).
  virtual void wait(uint64_t virtual_ns) = 0;
  virtual bool closed() const = 0;
  // The user wants to leave.
  virtual bool quit() const = 0;
};

}  // namespace xensim::sim
