// What sim/process/spawn.h promises.
#include "sim/process/spawn.h"

#include <doctest/doctest.h>

namespace xensim::sim {
namespace {

Result<Spawned> shell(const std::string& script, std::vector<std::string>* notes = nullptr) {
  return spawn({"/bin/sh", "-c", script}, [notes](const std::string& line) {
    if (notes != nullptr) notes->push_back(line);
  });
}

TEST_CASE("output, notes and status of a program") {
  std::vector<std::string> notes;
  const auto ran = shell("echo one; echo first >&2; echo two; printf 'last' >&2; exit 7", &notes);
  REQUIRE(ran.has_value());
  CHECK(ran->out == "one\ntwo\n");
  CHECK(ran->status == 7);
  CHECK(notes == std::vector<std::string>{"first", "last"});
  CHECK(ran->last_note == "last");
}

TEST_CASE("more output than a pipe holds") {
  const auto ran = shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i + 1)); done");
  REQUIRE(ran.has_value());
  CHECK(ran->out.size() == 220000);
}

TEST_CASE("its standard input is empty") {
  const auto ran = shell("cat; echo end");
  REQUIRE(ran.has_value());
  CHECK(ran->out == "end\n");
}

TEST_CASE("a program that is killed has a status above 128") {
  const auto ran = shell("kill -9 $$");
  REQUIRE(ran.has_value());
  CHECK(ran->status == 128 + 9);
}

TEST_CASE("a program that is not there is the machine's lack") {
  const auto ran = spawn({"/nowhere/at-all"}, [](const std::string&) {});
  REQUIRE_FALSE(ran.has_value());
  CHECK(ran.error().kind == ErrorKind::kEnvironment);
  CHECK(ran.error().message.find("/nowhere/at-all") != std::string::npos);
}

}  // namespace
}  // namespace xensim::sim
