// Fibers: order of execution, exceptions, starting again after being abandoned.
#include "sim/fiber.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using xensim::sim::Fiber;

namespace {

struct Log {
  Fiber* fiber = nullptr;
  std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a fiber and its resumer take turns") {
  Fiber fiber;
  Log log{&fiber, {}};
  fiber.start(
      [](void* argument) {
        auto& own = *static_cast<Log*>(argument);
        own.lines.push_back("one");
        own.fiber->yield();
        own.lines.push_back("two");
      },
      &log);
  CHECK_FALSE(fiber.done());
  fiber.resume();
  log.lines.push_back("between");
  CHECK_FALSE(fiber.done());
  fiber.resume();
  CHECK(fiber.done());
  CHECK(log.lines == std::vector<std::string>{"one", "between", "two"});
}

TEST_CASE("an exception leaves the fiber where it was resumed") {
  Fiber fiber;
  fiber.start([](void*) { throw std::runtime_error("from inside"); }, nullptr);
  CHECK_THROWS_WITH(fiber.resume(), "from inside");
  CHECK(fiber.done());
}

TEST_CASE("an abandoned fiber starts again from the beginning") {
  Fiber fiber;
  Log log{&fiber, {}};
  const auto body = [](void* argument) {
    auto& own = *static_cast<Log*>(argument);
    own.lines.push_back("begin");
    own.fiber->yield();
    own.lines.push_back("end");
  };
  for (int i = 0; i < 3; ++i) {
    fiber.start(body, &log);
    fiber.resume();
    fiber.abandon();
  }
  CHECK(log.lines == std::vector<std::string>{"begin", "begin", "begin"});
}

TEST_CASE("a fiber may resume another one") {
  Fiber inner;
  Fiber outer;
  struct Both {
    Fiber* inner;
    Fiber* outer;
    std::vector<std::string> lines;
  } both{&inner, &outer, {}};
  inner.start(
      [](void* argument) {
        auto& own = *static_cast<Both*>(argument);
        own.lines.push_back("inner");
        own.inner->yield();
        own.lines.push_back("inner again");
      },
      &both);
  outer.start(
      [](void* argument) {
        auto& own = *static_cast<Both*>(argument);
        own.inner->resume();
        own.lines.push_back("outer");
        own.outer->yield();
      },
      &both);
  outer.resume();
  both.lines.push_back("main");
  inner.resume();
  CHECK(both.lines == std::vector<std::string>{"inner", "outer", "main", "inner again"});
  CHECK(inner.done());
  CHECK_FALSE(outer.done());
}
