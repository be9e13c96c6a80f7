// Fiber: a stack of its own, switched by hand (fiber_switch.S). Sanitizers are told of each switch.
//
// Not movable; belongs to one thread. The function runs at the first resume(); when it returns the fiber is done and
// may be started again. A fiber that is abandoned half-way (destroyed or reset while suspended) is not unwound: what
// runs on it must own nothing that only its stack could free, except through FiberStack reuse by start().
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>

namespace xensim::sim {

class Fiber {
 public:
  static constexpr size_t kDefaultStack = 128 * 1024;

  // With a stack of its own, with a page without access below it, or on the given memory (without such a page).
  explicit Fiber(size_t stack_bytes = kDefaultStack);
  explicit Fiber(std::span<std::byte> stack);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  using Function = void (*)(void* argument);
  // Makes the fiber ready to run function(argument) from its beginning. It must not be running.
  void start(Function function, void* argument);
  // Runs until the fiber yields or its function returns. An exception that leaves the function is rethrown here.
  void resume();
  // Called on the fiber: back to its resumer.
  void yield();
  // Called on the fiber: `other`, which was started, goes on in its place. Whoever resumed this one waits on: it comes
  // back when any of them yields, ends or fails.
  void switch_to(Fiber& other);
  // Called on the fiber: ends it, and resume() throws this. What stands on its stack is not unwound.
  [[noreturn]] void fail(std::exception_ptr failure);
  // Nothing to run: never started, or the function returned.
  bool done() const { return !active_; }
  std::span<std::byte> stack() const;
  void abandon() { active_ = false; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  bool active_ = false;
};

}  // namespace xensim::sim
