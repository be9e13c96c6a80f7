// Transcripts: reading, writing and comparing them, and what a broken one says.
#include "sim/oracle/transcript.h"

#include <doctest/doctest.h>

namespace xensim::sim {
namespace {

TEST_CASE("the words of a run are read and written") {
  for (const char* words : {"hello", "--vcpus 8 ipi_ping_pong", "--together grant_a grant_b",
                            "--hvm --together --vcpus 2 a b", "--vcpus 128 --memory 1024 a",
                            "--hvm --event-channels 16 a", "--hvm --viridian a", "--event-channels 1000000 a"}) {
    const auto run = parse_oracle_run(words);
    REQUIRE(run);
    CHECK(format_oracle_run(*run) == words);
  }
  const auto run = parse_oracle_run("a --vcpus 3 b");
  REQUIRE(run);
  CHECK(run->vcpus == 3);
  CHECK(run->memory_mib == 64);
  CHECK(run->programs == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(run->together);
}

TEST_CASE("the second program of a name gets a number") {
  OracleRun run;
  run.programs = {"a", "b", "a", "a"};
  CHECK(transcript_names(run) == std::vector<std::string>{"a", "b", "a#2", "a#3"});
}

TEST_CASE("a run that cannot be is refused, with the reason") {
  const auto refused = [](const char* words, const char* part) {
    const auto run = parse_oracle_run(words);
    REQUIRE_FALSE(run);
    CHECK(run.error().kind == ErrorKind::kInput);
    CHECK(run.error().message.find(part) != std::string::npos);
  };
  refused("", "no program");
  refused("--together", "no program");
  refused("--vcpus", "--vcpus : a number from 1 to 128");
  refused("--vcpus 0 a", "--vcpus 0");
  refused("--vcpus 129 a", "--vcpus 129");
  refused("--vcpus 4294967297 a", "--vcpus 4294967297");
  refused("--vcpus 2x a", "--vcpus 2x");
  refused("--memory 1 a", "--memory 1: a number from 2 to 1024");
  refused("--memory 1025 a", "--memory 1025");
  refused("--event-channels 15 a", "--event-channels 15: a number from 16 to 1000000");
  refused("--event-channels 1000001 a", "--event-channels 1000001");
  refused("--fast a", "--fast: no such option");
}

TEST_CASE("a transcript is read and written") {
  const std::string text = "# Xen 9.9\n# run: --vcpus 2 a\na: 1\na% hello\na= poweroff\n";
  const auto transcript = parse_transcript("a.xen.txt", text);
  REQUIRE(transcript);
  CHECK(transcript->versions == "Xen 9.9");
  CHECK(transcript->run.vcpus == 2);
  CHECK(transcript->lines.size() == 3);
  CHECK(transcript->lines[1] == "a% hello");
  CHECK(format_transcript(*transcript) == text);
}

TEST_CASE("a transcript without its run or without a line is refused by name") {
  const auto no_run = parse_transcript("a.xen.txt", "# Xen 9.9\na: 1\n");
  REQUIRE_FALSE(no_run);
  CHECK(no_run.error().message.find("a.xen.txt: has no line '# run: ...'") == 0);
  CHECK(parse_transcript("b", "# run: b\n").error().message == "b: has no line of a guest");
  CHECK(parse_transcript("c", "# run: --vcpus no c\nc: 1\n").error().message.find("c: --vcpus no") == 0);
}

TEST_CASE("what begins with a tilde is compared by that alone") {
  CHECK(may_differ("a: ~ port 3"));
  CHECK(may_differ("a% ~ port 3"));
  CHECK_FALSE(may_differ("a: port 3: ~ 4"));
  CHECK_FALSE(may_differ("~"));
  CHECK(lines_agree("a: ~ port 3", "a: ~ port 4"));
  CHECK_FALSE(lines_agree("a: ~ port 3", "b: ~ port 3"));
  CHECK_FALSE(lines_agree("a: ~ port 3", "a: port 3"));
  CHECK_FALSE(lines_agree("a: port 3", "a: port 4"));
  CHECK(lines_agree("a: port 3", "a: port 3"));
}

}  // namespace
}  // namespace xensim::sim
