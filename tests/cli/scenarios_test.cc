// Every scenario that comes with xensim runs as it says, on each of its backends, and the same each time; races are
// found, and their schedules reproduce them.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace xensim {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

const std::string kScenarios = XENSIM_SOURCE_DIR "/scenarios";

std::vector<std::string> all_scenarios() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(kScenarios)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool runs_on(const std::string& scenario, const std::string& backend) {
  const std::string text = read_text(scenario);
  const size_t key = text.find("backends = ");
  if (key == std::string::npos) return backend == "soft";
  return text.substr(key, text.find('\n', key) - key).find('"' + backend + '"') != std::string::npos;
}

json run_json(std::vector<std::string> args, int status) {
  args.push_back("--json");
  const Ran ran = run_program(args);
  CAPTURE(ran.err);
  CHECK(ran.status == status);
  const json object = json::parse(ran.out, nullptr, false);
  REQUIRE(object.is_object());
  return object;
}

// All but what the host's clock says.
json without_times(json object) {
  object.erase("wall_s");
  return object;
}

// How many run on it.
size_t check_backend(const std::string& backend) {
  size_t count = 0;
  for (const std::string& scenario : all_scenarios()) {
    if (!runs_on(scenario, backend)) continue;
    ++count;
    CAPTURE(scenario);
    const json first = run_json({"run", scenario, "--backend", backend}, 0);
    CHECK(first["result"] == "pass");
    // The second time with a look at every invariant after every turn, which changes nothing.
    CHECK(without_times(first) == without_times(run_json({"run", scenario, "--backend", backend, "--checks"}, 0)));
  }
  return count;
}

TEST_CASE("every scenario passes on the software CPU, the same in two processes") {
  const size_t count = check_backend("soft");
  CHECK(count >= 8);
}

TEST_CASE("every scenario passes natively, the same in two processes") {
  const size_t count = check_backend("native");
  CHECK(count >= 8);
}

TEST_CASE("a native run is the same with and without address space randomisation, another seed is another schedule") {
  size_t others = 0;
  for (const std::string& scenario : all_scenarios()) {
    if (!runs_on(scenario, "native")) continue;
    CAPTURE(scenario);
    const json random = run_json({"run", scenario, "--backend", "native"}, 0);
    const Ran fixed = run_program_at_fixed_addresses({"run", scenario, "--backend", "native", "--json"});
    if (fixed.status == 126) {
      MESSAGE("this host does not let a program switch address space randomisation off: not compared");
      return;
    }
    CHECK(without_times(random) == without_times(json::parse(fixed.out, nullptr, false)));
    const json other = run_json({"run", scenario, "--backend", "native", "--seed", "11"}, 0);
    if (other["trace_hash"] != random["trace_hash"]) ++others;
  }
  CHECK(others >= 6);  // a guest with one vCPU has one schedule
}

TEST_CASE("what a native guest's call fails with is an ordinary report") {
  const std::string scenario = scratch_file(
      "wild.toml",
      "[machine]\nbackends = [\"native\"]\n[[guest]]\nimage = \"guest:wild_access\"\nvcpus = 2\nmemory = \"4M\"\n");
  const json object = run_json({"run", scenario}, 1);
  CHECK(object["result"] == "fail");
  CHECK(object["failure"]["kind"] == "guest");
  CHECK(object["failure"]["where"] == "d1v0");
  CHECK(object["failure"]["message"].get<std::string>().find("access outside the guest's RAM") != std::string::npos);
  const Ran explored = run_program({"explore", scenario, "--schedules", "3"});
  CHECK(explored.status == 1);
  CHECK(explored.err.find("reproduce: xensim run ") != std::string::npos);
}

TEST_CASE("another seed is another execution") {
  std::set<std::string> hashes;
  for (const char* seed : {"0", "1", "2"}) {
    const json object = run_json({"run", kScenarios + "/ipi/ping_pong_8.toml", "--seed", seed}, 0);
    hashes.insert(object["trace_hash"].get<std::string>());
  }
  CHECK(hashes.size() == 3);
}

TEST_CASE("a guest's console is standard output, byte for byte, all else is standard error") {
  const Ran ran = run_program({"run", XENSIM_BINARY_DIR "/guests/ring3.elf"});
  CHECK(ran.status == 0);
  CHECK(ran.out.starts_with("to ring 3\ncall 41 by SYSCALL\n"));
  CHECK(ran.out.ends_with("success\n"));
  CHECK(ran.err.starts_with("ring3: passed"));
}

TEST_CASE("two guests' lines bear their names, -v prints calls, -q says nothing") {
  const std::string scenario = kScenarios + "/evtchn/interdomain.toml";
  const Ran loud = run_program({"run", "-v", scenario});
  CHECK(loud.out.find("b: close: 0\n") != std::string::npos);
  CHECK(loud.err.find("EVTCHNOP_send {port: ") != std::string::npos);
  CHECK(run_program({"run", "-q", scenario}).err.empty());
}

TEST_CASE("the race of the affinity change is found, and its schedule reproduces it on both backends") {
  const std::string scenario = kScenarios + "/races/evtchn_affinity.toml";
  for (const char* seed : {"0", "1", "2", "3"}) {
    const json found = run_json({"explore", scenario, "--seed", seed, "--schedules", "20000"}, 1);
    CHECK(found["result"] == "fail");
    CHECK(found["failure"]["kind"] == "lost_event");
    for (const char* backend : {"native", "soft"}) {
      const json again = run_json(
          {"run", scenario, "--backend", backend, "--seed", seed, "--schedule", found["schedule"].get<std::string>()},
          1);
      CHECK(again["failure"]["kind"] == "lost_event");
    }
  }
  const json fixed = run_json({"explore", kScenarios + "/races/evtchn_affinity_fixed.toml", "--schedules", "20000"}, 0);
  CHECK(fixed["schedules"] == 20000);
}

TEST_CASE("masking alone leaves a window in the affinity change, PCT finds it and passing events on closes it") {
  const std::string races = kScenarios + "/races/evtchn_affinity";
  const json left = run_json({"explore", races + "_masked.toml", "--strategy", "pct", "--schedules", "20000"}, 1);
  CHECK(left["failure"]["kind"] == "lost_event");
  CHECK(
      run_json({"run", races + "_masked.toml", "--backend", "soft", "--schedule", left["schedule"].get<std::string>()},
               1)["failure"]["kind"] == "lost_event");
  const json fixed = run_json({"explore", races + "_fixed.toml", "--strategy", "pct", "--schedules", "20000"}, 0);
  CHECK(fixed["schedules"] == 20000);
}

TEST_CASE("a page used anew under a backend that mapped it is found, on both backends, and never with the cure") {
  const std::string scenario = kScenarios + "/races/end_access.toml";
  const json found = run_json({"explore", scenario, "--schedules", "20000"}, 1);
  CHECK(found["result"] == "fail");
  for (const char* backend : {"native", "soft"}) {
    const json again =
        run_json({"run", scenario, "--backend", backend, "--schedule", found["schedule"].get<std::string>()}, 1);
    CHECK(again["result"] == "fail");
  }
  CHECK(run_json({"explore", kScenarios + "/races/end_access_fixed.toml", "--schedules", "20000"}, 0)["schedules"] ==
        20000);
}

// The engine's memory changes between two turns of its vCPU then.
TEST_CASE("a vCPU of the software CPU is stopped inside a hypercall that moves its memory") {
  const std::string scenario = kScenarios + "/races/end_access.toml";
  run_json({"explore", scenario, "--schedule", "moves.schedule"}, 1);
  std::string text = read_text(scratch_folder() + "/moves.schedule");
  text.erase(text.find("\nd") + 1);  // the decisions
  const std::string schedule = scratch_file("moves.schedule", text + "d1v0 @ \"lock p2m_lock\" #1 -> d2v0\n");
  for (const char* engine : {"plain", "fast"}) {
    CHECK(run_json({"run", scenario, "--backend", "soft", "--engine", engine, "--schedule", schedule}, 0)["result"] ==
          "pass");
  }
}

TEST_CASE("the poller is lost under flavour kvm and never under xen") {
  const std::string scenario = kScenarios + "/races/poller.toml";
  CHECK(run_json({"explore", scenario, "--flavour", "kvm"}, 1)["result"] == "fail");
  CHECK(run_json({"explore", scenario, "--flavour", "xen", "--schedules", "5000"}, 0)["result"] == "pass");
}

TEST_CASE("explore reports the same whatever the number of jobs") {
  const auto report = [](const std::string& scenario, const std::string& jobs, const std::string& strategy,
                         int status) {
    json object = run_json({"explore", kScenarios + scenario, "--jobs", jobs, "--strategy", strategy, "--schedules",
                            "3000", "--schedule", "jobs.schedule", "--record", "jobs.trace"},
                           status);
    if (status == 1) object["schedule_text"] = read_text(scratch_folder() + "/jobs.schedule");
    return without_times(object);
  };
  for (const char* strategy : {"random", "pct", "pos"}) {
    const json alone = report("/races/evtchn_affinity.toml", "1", strategy, 1);
    for (const char* jobs : {"2", "3", "7"}) CHECK(report("/races/evtchn_affinity.toml", jobs, strategy, 1) == alone);
  }
  CHECK(report("/races/evtchn_affinity_fixed.toml", "3", "random", 0) ==
        report("/races/evtchn_affinity_fixed.toml", "1", "random", 0));
  const Ran none = run_program({"explore", kScenarios + "/races/poller.toml", "--jobs", "0"});
  CHECK(none.status == 2);
  CHECK(none.err.find("--jobs") != std::string::npos);
}

// What an exhaustive search says of a scenario under which nothing fails.
json exhausted(const std::string& scenario, const std::vector<std::string>& options) {
  std::vector<std::string> args = {"explore", kScenarios + scenario, "--exhaustive"};
  args.insert(args.end(), options.begin(), options.end());
  const json object = run_json(args, 0);
  CHECK(object["result"] == "pass");
  return object["items"][0];
}

TEST_CASE("all schedules are searched, with few preemptions or at all") {
  const json none = exhausted("/races/poller.toml", {"--preemptions", "0"});
  CHECK(none["complete"] == true);
  CHECK(none["runs"] == 1);
  const json two = exhausted("/races/poller.toml", {"--preemptions", "2"});
  CHECK(two["complete"] == true);
  CHECK(two["runs"] > 100);
  CHECK(two["whole"] < two["runs"]);  // the cache cuts
  const json all = exhausted("/races/end_access_fixed.toml", {});
  CHECK(all["complete"] == true);
  CHECK(all["whole"].get<uint64_t>() + all["blocked"].get<uint64_t>() == all["runs"]);
  CHECK(exhausted("/races/poller.toml", {"--schedules", "10"})["complete"] == false);
}

TEST_CASE("an exhaustive search finds what samples find, and its schedule fails again") {
  for (const char* name : {"end_access", "evtchn_affinity"}) {
    const std::string scenario = kScenarios + "/races/" + name + ".toml";
    const json found = run_json({"explore", scenario, "--exhaustive", "--preemptions", "2"}, 1);
    CHECK(found["result"] == "fail");
    for (const char* backend : {"native", "soft"}) {
      CHECK(run_json({"run", scenario, "--backend", backend, "--schedule", found["schedule"].get<std::string>()},
                     1)["failure"]["kind"] == found["failure"]["kind"]);
    }
  }
  for (const auto& bad :
       std::vector<std::vector<std::string>>{{"--backend", "soft"}, {"--jobs", "2"}, {"--strategy", "pct"}}) {
    std::vector<std::string> args = {"explore", kScenarios + "/races/poller.toml", "--exhaustive"};
    args.insert(args.end(), bad.begin(), bad.end());
    CHECK(run_program(args).status == 2);
  }
  CHECK(run_program({"explore", kScenarios + "/races/poller.toml", "--preemptions", "2"}).status == 2);
  CHECK(run_program({"explore", kScenarios + "/races/poller.toml", "--set", "machine.explore_from=marker"}).status ==
        2);
}

TEST_CASE("every planted defect is found, its schedule fails each time, and the unpatched core under it does not") {
  const json mutants = run_json({"mutants"}, 0)["items"];
  CHECK(mutants.size() >= 9);
  for (const json& mutant : mutants) {
    const std::string name = mutant["name"],
                      scenario = kScenarios + "/" + mutant["scenario"].get<std::string>() + ".toml";
    CAPTURE(name);
    CHECK(mutant["result"] == "found");
    CHECK(mutant["decisions"] <= 5);
    const json found = run_json({"explore", scenario, "--flavour", "xen+" + name}, 1);
    std::set<std::string> hashes;
    for (int i = 0; i < 3; ++i) {
      const json again = run_json(
          {"run", scenario, "--flavour", "xen+" + name, "--schedule", found["schedule"].get<std::string>()}, 1);
      CHECK(again["failure"]["kind"] == found["failure"]["kind"]);
      hashes.insert(again["trace_hash"].get<std::string>());
    }
    CHECK(hashes.size() == 1);
    run_json({"explore", scenario}, 0);
  }
  CHECK(run_json({"mutants", "--mutant", "B-X15", "--schedules", "1"}, 1)["items"][0]["result"] == "missed");
  CHECK(run_program({"mutants", "--mutant", "B-X99"}).status == 2);
  CHECK(run_program({"mutants", kScenarios + "/hello/hello.toml"}).status == 2);
}

TEST_CASE("a recorded failure is replayed, run again and shrunk") {
  const std::string scenario = kScenarios + "/races/poller.toml";
  const Ran found =
      run_program({"explore", scenario, "--flavour", "kvm", "--record", "p.trace", "--schedule", "p.schedule"});
  CHECK(found.status == 1);
  CHECK(found.err.find("reproduce: xensim run ") != std::string::npos);
  CHECK(found.err.find(" --flavour kvm --schedule p.schedule\n") != std::string::npos);
  CHECK(run_program({"replay", "p.trace"}).status == 0);
  const Ran cut = run_program({"replay", "p.trace", "--wall-limit", "1ns"});
  CHECK(cut.status == 1);
  CHECK(cut.err.find("no_progress: the wall limit of 1ns is over after 0 events") != std::string::npos);
  const Ran shrunk = run_program({"shrink", "p.trace"});
  CHECK(shrunk.status == 0);
  CHECK(shrunk.out == read_text(scratch_folder() + "/p.schedule"));
  CHECK(read_text(scratch_folder() + "/p.trace.schedule") == shrunk.out);
}

TEST_CASE("recording changes nothing, a JUnit file is written") {
  const std::string scenario = kScenarios + "/ipi/ping_pong.toml";
  const json plain = run_json({"run", scenario}, 0);
  const json recorded = run_json({"run", scenario, "--record", "r.trace", "--junit", "r.xml"}, 0);
  CHECK(plain["trace_hash"] == recorded["trace_hash"]);
  CHECK(read_text(scratch_folder() + "/r.xml").find("failures=\"0\"") != std::string::npos);
}

TEST_CASE("the demo finds what it is there to find") {
  const Ran ran = run_program({"demo"});
  CAPTURE(ran.err);
  CHECK(ran.status == 0);
  CHECK(ran.out.find("never woken") != std::string::npos);
}

// The race is found under the defect's trait, its schedule reproduces it on both backends, and without the trait there
// is none.
void check_race(const std::string& scenario, const std::string& flavour) {
  const json found = run_json({"explore", scenario, "--flavour", flavour, "--schedules", "20000"}, 1);
  CHECK(found["result"] == "fail");
  CHECK(found["failure"]["kind"] == "guest");
  for (const char* backend : {"native", "soft"}) {
    const json again = run_json({"run", scenario, "--flavour", flavour, "--backend", backend, "--schedule",
                                 found["schedule"].get<std::string>()},
                                1);
    CHECK(again["failure"]["kind"] == "guest");
  }
  const json silent = run_json({"explore", scenario, "--schedules", "20000"}, 0);
  CHECK(silent["schedules"] == 20000);
}

TEST_CASE("B-K2: a runstate flag that is set by a whole word lets a reader take a torn snapshot") {
  check_race(kScenarios + "/races/runstate_torn.toml", "xen+runstate_flag_by_word");
}

TEST_CASE("B-L1: a FIFO event that is unmasked twice is handled again while its work is not done") {
  const std::string scenario = kScenarios + "/races/fifo_unmask.toml";
  const json found = run_json({"explore", scenario, "--schedules", "20000"}, 1);
  for (const char* backend : {"native", "soft"}) {
    const json again =
        run_json({"run", scenario, "--backend", backend, "--schedule", found["schedule"].get<std::string>()}, 1);
    CHECK(again["failure"]["kind"] == "guest");
  }
  const json fixed = run_json({"explore", kScenarios + "/races/fifo_unmask_fixed.toml", "--schedules", "20000"}, 0);
  CHECK(fixed["schedules"] == 20000);
}

TEST_CASE("B-X24: a timer that is late loses a guest its clock where that is an error") {
  check_race(kScenarios + "/races/late_timer.toml", "xen+late_singleshot_etime");
}

TEST_CASE("stolen time is counted where the scenario asks for it") {
  const std::string scenario = kScenarios + "/ipi/ping_pong.toml";
  for (const char* steal : {"none", "counted"}) {
    CHECK(run_program({"run", scenario, "--set", std::string("clock.steal=") + steal, "--record", "steal.trace"})
              .status == 0);
    const Ran shown = run_program({"trace", "show", "steal.trace"});
    CHECK((shown.out.find("preempted") != std::string::npos) == (std::string_view(steal) == "counted"));
    CHECK(run_program({"replay", "steal.trace"}).status == 0);
  }
}

}  // namespace
}  // namespace xensim
