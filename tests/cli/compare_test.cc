// xensim compare as a user runs it: here under two flavours, with stand-ins for the real ones, and where something
// lacks.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace xensim {
namespace {

namespace fs = std::filesystem;

const std::string kPollLost = XENSIM_BINARY_DIR "/guests/poll_lost.elf";
const std::string kHello = XENSIM_BINARY_DIR "/guests/hello.elf";

// Sets a variable of the environment while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { old_.empty() ? unsetenv(name_) : setenv(name_, old_.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

// A folder with a script that answers as the real ones do: with a transcript of tests/oracle/.
std::string stand_in(const std::string& transcript) {
  for (const char* name : {"xen-oracle", "kvm-oracle"}) {
    const std::string file = scratch_file(name, "#!/bin/sh\ngrep -v '^# run' '" + transcript + "'\n");
    fs::permissions(file, fs::perms::owner_all);
  }
  return scratch_folder();
}

TEST_CASE("two flavours side by side, the line that differs marked") {
  const Ran ran = run_program({"compare", kPollLost, "--vcpus", "2"});
  CHECK(ran.status == 1);
  CHECK(ran.out.find("here, flavour xen") != std::string::npos);
  CHECK(ran.out.find("\n! poll_lost: woken") != std::string::npos);
  CHECK(ran.out.find("| poll_lost: never woken\n") != std::string::npos);
  CHECK(ran.out.find("\n  poll_lost: send: 0") != std::string::npos);
  CHECK(ran.err.find("1 line differs") != std::string::npos);
  CHECK(ran.err.find("xensim compare " + kPollLost + " --flavour xen,kvm --vcpus 2") != std::string::npos);
}

TEST_CASE("one flavour alone is shown") {
  const Ran ran = run_program({"compare", kPollLost, "--vcpus", "2", "--flavour", "kvm"});
  CHECK(ran.status == 0);
  CHECK(ran.out == "poll_lost: send: 0\npoll_lost: never woken\npoll_lost: success\npoll_lost= poweroff\n");
}

// What the real Xen 4.17.7 answered a type=hvm domain: XENFEAT_hvm_pirqs (bit 10) beside what type=pvh has.
TEST_CASE("a type=hvm domain says that it has PIRQs") {
  const Ran pvh = run_program({"compare", kHello, "--flavour", "xen"});
  CHECK(pvh.out.find("hello: XENVER_get_features 0: 0, 0x12305\n") != std::string::npos);
  const Ran hvm = run_program({"compare", kHello, "--flavour", "xen", "--hvm"});
  CHECK(hvm.status == 0);
  CHECK(hvm.out.find("hello: XENVER_get_features 0: 0, 0x12705\n") != std::string::npos);
}

TEST_CASE("a domain that may have more event channels has as many as its layout") {
  const std::string limits = XENSIM_BINARY_DIR "/guests/probe_evtchn_limits.elf";
  const auto last = [&](const char* most) {
    const Ran ran = run_program({"compare", limits, "--flavour", "xen", "--event-channels", most});
    return ran.out.substr(0, ran.out.find(','));
  };
  CHECK(last("40") == "probe_evtchn_limits: 2-level: the last port is 40");
  CHECK(last("5000") == "probe_evtchn_limits: 2-level: the last port is 4095");
}

TEST_CASE("the same as the real one: status 0") {
  const Variable oracles("XENSIM_ORACLES", stand_in(XENSIM_SOURCE_DIR "/tests/oracle/poll_lost.kvm.txt"));
  const Ran ran = run_program({"compare", kPollLost, "--vcpus", "2", "--with", "kvm"});
  CHECK(ran.status == 0);
  CHECK(ran.out.find("| KVM of Linux 6.12") != std::string::npos);
  CHECK(ran.out.find("\n!") == std::string::npos);
}

TEST_CASE("other than the real one: status 1, as JSON too, and only the differences where asked") {
  const Variable oracles("XENSIM_ORACLES", stand_in(XENSIM_SOURCE_DIR "/tests/oracle/poll_lost.kvm.txt"));
  const Ran ran = run_program({"compare", kPollLost, "--vcpus", "2", "--with", "xen", "--json"});
  CHECK(ran.status == 1);
  const auto json = nlohmann::json::parse(ran.out);
  CHECK(json["command"] == "compare");
  CHECK(json["result"] == "diverged");
  CHECK(json["items"][0]["differences"] == 1);
  CHECK(json["items"][0]["lines"].size() == 4);
  CHECK(json["failure"]["where"] == "poll_lost: woken");
  const Ran brief = run_program({"compare", kPollLost, "--vcpus", "2", "--with", "xen", "--differences"});
  CHECK(brief.status == 1);
  CHECK(std::count(brief.out.begin(), brief.out.end(), '\n') == 2);
}

TEST_CASE("guests that talk run together, the second of a name with a number") {
  const std::string a = XENSIM_BINARY_DIR "/guests/interdomain_a.elf",
                    b = XENSIM_BINARY_DIR "/guests/interdomain_b.elf";
  const Ran ran = run_program({"compare", a, b, "--together"});
  CHECK(ran.status == 0);
  CHECK(ran.out.find("interdomain_b: close: 0\n") != std::string::npos);
  const Ran twice = run_program({"compare", kHello, kHello, "--flavour", "xen"});
  CHECK(twice.status == 0);
  CHECK(twice.out.find("hello#2: hello from vCPU 0\n") != std::string::npos);
}

TEST_CASE("a machine that lacks QEMU: status 3 and one line that says so") {
  const Variable path("PATH", scratch_folder() + "/nothing-is-here");
  for (const char* flavour : {"xen", "kvm"}) {
    const Ran ran = run_program({"compare", kHello, "--with", flavour, "-q"});
    CAPTURE(ran.err);
    CHECK(ran.status == 3);
    CHECK(ran.out.empty());
    CHECK(ran.err.find("qemu-system-x86") != std::string::npos);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  }
}

TEST_CASE("a guest that never ends is still running when the wall limit is over") {
  const Ran ran = run_program(
      {"compare", XENSIM_BINARY_DIR "/guests/yields_spins.elf", "--flavour", "xen", "--wall-limit", "200ms"});
  CHECK(ran.out.find("yields_spins= still running") != std::string::npos);
}

}  // namespace
}  // namespace xensim
