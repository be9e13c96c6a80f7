// The command line from arguments to status and words: usage errors, help, --json. (Runs of guests: tests/cli.)
#include "sim/cli/cli.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "sim/cli/commands.h"

namespace xensim::sim {
namespace {

struct Ran {
  int status;
  std::string out, err;
};

Ran run(std::vector<std::string> args) {
  std::ostringstream out, err;
  const int status = run_cli(std::move(args), out, err, false);
  return {status, out.str(), err.str()};
}

TEST_CASE("a usage error is status 2 and one line with a hint") {
  const std::vector<std::vector<std::string>> bad = {
      {},
      {"nonsense"},
      {"run"},
      {"run", "--seed"},
      {"run", "x.toml", "--seed", "many"},
      {"run", "x.toml", "--bogus"},
      {"run", "x.toml", "y.toml"},
      {"list"},
      {"list", "everything"},
      {"explore", "x.toml", "--strategy", "luck"},
      {"explore", "x.toml", "--schedules", "0"},
      {"explore", "x.toml", "--depth", "-1"},
      {"shrink"},
      {"doctor", "now"},
      {"run", "x.toml", "--seed", "99999999999999999999999"},
      {"--json"},
      {"demo", "run", "x"},
  };
  for (const auto& args : bad) {
    std::string line;
    for (const std::string& arg : args) line += " " + arg;
    CAPTURE(line);
    const Ran ran = run(args);
    CHECK(ran.status == 2);
    CHECK(ran.err.starts_with("xensim: "));
    CHECK(ran.err.find("--help)") != std::string::npos);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  }
}

TEST_CASE("bad input is status 2 and one line that names it") {
  const std::vector<std::pair<std::vector<std::string>, std::string>> bad = {
      {{"run", "nowhere.toml"}, "xensim: nowhere.toml: No such file or directory\n"},
      {{"run", "/"}, "xensim: /: is not a file\n"},
      {{"run", "/dev/null"}, "xensim: /dev/null: is not a file\n"},
      {{"run", "x", "--set", "novalue"}, "xensim: --set novalue: write KEY=VALUE, like guest.0.vcpus=8\n"},
      {{"explore", "nowhere.toml"}, "xensim: nowhere.toml: No such file or directory\n"},
  };
  for (const auto& [args, message] : bad) {
    const Ran ran = run(args);
    CHECK(ran.status == 2);
    CHECK(ran.err == message);
    CHECK(ran.out.empty());
  }
}

TEST_CASE("under --json standard output has one object and nothing else, for errors too") {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"run", "nowhere.toml", "--json"},
                                               {"--json", "run"},
                                               {"list", "flavours", "--json"},
                                               {"list", "hypercalls", "--json"},
                                               {"doctor", "--json"},
                                               {"version", "--json"}}) {
    const Ran ran = run(args);
    const auto json = nlohmann::json::parse(ran.out, nullptr, false);
    REQUIRE(json.is_object());
    CHECK(json.contains("command"));
    CHECK(json["result"] == (ran.status == 0 ? "pass" : "error"));
    CHECK(json.contains("wall_s"));
  }
}

TEST_CASE("help lists every command of the table, each once") {
  const Ran ran = run({"--help"});
  CHECK(ran.status == 0);
  std::set<std::string> names;
  for (const CommandEntry& entry : all_commands()) {
    CHECK(names.insert(std::string(entry.name)).second);
    CHECK(ran.out.find("  " + std::string(entry.name) + " ") != std::string::npos);
    CHECK(run({std::string(entry.name), "--help"}).status == 0);
  }
}

TEST_CASE("lists come from the tables") {
  CHECK(run({"list", "flavours"}).out.find("poll_wakes_bound_vcpu_only") != std::string::npos);
  CHECK(run({"list", "hypercalls"}).out.find("EVTCHNOP_send") != std::string::npos);
  CHECK(run({"list", "backends"}).out.find("native") != std::string::npos);
  CHECK(run({"list", "scenarios"}).status == 0);
}

}  // namespace
}  // namespace xensim::sim
