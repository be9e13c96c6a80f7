// Fibers: order of execution, exceptions, starting again after being abandoned.
#include "sim/fiber/fiber.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
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

namespace {

// Two fibers, and what they did in which order.
struct Pair {
  Fiber first, second;
  std::string log;
  // Each gets the pair.
  void start(void (*one)(Pair&), void (*other)(Pair&)) {
    one_ = one;
    other_ = other;
    first.start([](void* pair) { static_cast<Pair*>(pair)->one_(*static_cast<Pair*>(pair)); }, this);
    second.start([](void* pair) { static_cast<Pair*>(pair)->other_(*static_cast<Pair*>(pair)); }, this);
  }

 private:
  void (*one_)(Pair&) = nullptr;
  void (*other_)(Pair&) = nullptr;
};

}  // namespace

TEST_CASE("a fiber that is switched to takes the place of another: their resumer waits for either") {
  Pair pair;
  pair.start(
      [](Pair& own) {
        own.log += "a";
        own.first.switch_to(own.second);
        own.log += "c";
        own.first.switch_to(own.second);
        own.log += "f";
      },
      [](Pair& own) {
        own.log += "b";
        own.second.switch_to(own.first);
        own.log += "d";
        own.second.yield();
        own.log += "g";
        throw std::runtime_error("from the second");
      });
  pair.first.resume();
  pair.log += "e";
  CHECK(pair.log == "abcde");
  CHECK_FALSE(pair.first.done());
  CHECK_FALSE(pair.second.done());
  pair.first.resume();
  CHECK(pair.first.done());
  CHECK_THROWS_WITH(pair.second.resume(), "from the second");
  CHECK(pair.second.done());
  CHECK(pair.log == "abcdefg");
}

TEST_CASE("what a fiber throws that was switched to leaves it where the first was resumed") {
  Pair pair;
  pair.start([](Pair& own) { own.first.switch_to(own.second); },
             [](Pair&) { throw std::runtime_error("from the second"); });
  CHECK_THROWS_WITH(pair.first.resume(), "from the second");
  CHECK(pair.second.done());
  CHECK_FALSE(pair.first.done());
  pair.first.abandon();
}

TEST_CASE("a fiber resumes the one whose place it took: that comes back to it, and both to the first resumer") {
  Pair pair;
  pair.start(
      [](Pair& own) {
        own.log += "a";
        own.first.switch_to(own.second);
        own.log += "c";
        own.first.yield();
        own.log += "f";
      },
      [](Pair& own) {
        own.log += "b";
        own.first.resume();
        own.log += "d";
        own.second.yield();
      });
  pair.first.resume();
  pair.log += "e";
  pair.first.resume();
  CHECK(pair.log == "abcdef");
  CHECK(pair.first.done());
  pair.second.abandon();
}

TEST_CASE("the page below a fiber's stack cannot be accessed") {
  Fiber fiber;
  int pipe_ends[2];
  REQUIRE(pipe(pipe_ends) == 0);
  // The kernel says which of our pages can be read.
  CHECK(write(pipe_ends[1], fiber.stack().data(), 1) == 1);
  CHECK(write(pipe_ends[1], fiber.stack().data() - 1, 1) == -1);
  CHECK(errno == EFAULT);
  CHECK(write(pipe_ends[1], fiber.stack().data() - 4096, 1) == -1);
  CHECK(fiber.stack().size() == Fiber::kDefaultStack);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}
