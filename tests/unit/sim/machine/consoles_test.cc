// Consoles: lines of bytes, and the bound on one that never ends.
#include "sim/machine/consoles.h"

#include <doctest/doctest.h>

using namespace xensim;
using namespace xensim::sim;

namespace {

constexpr DomId kFirst{1}, kSecond{2};

Scenario scenario_of(size_t guests) {
  Scenario scenario;
  for (size_t i = 0; i < guests; ++i) scenario.guests.emplace_back().name = i == 0 ? "first" : "second";
  return scenario;
}

void put(Consoles& consoles, DomId dom, std::string_view text) { consoles.put(dom, std::as_bytes(std::span(text))); }

std::vector<std::string> texts(const Consoles& consoles) {
  std::vector<std::string> texts;
  for (const ConsoleLine& line : consoles.lines()) texts.push_back(line.guest + "|" + line.text);
  return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("bytes become lines, each guest's own") {
  const Scenario scenario = scenario_of(2);
  Consoles consoles(scenario);
  put(consoles, kFirst, "one\r\ntw");
  put(consoles, kSecond, "other\n");
  CHECK(consoles.partial(kFirst) == "tw");
  put(consoles, kFirst, "o\n\nthree");
  CHECK(texts(consoles) == Texts{"first|one", "second|other", "first|two", "first|"});
  consoles.flush(kFirst);
  consoles.flush(kFirst);
  consoles.flush(kSecond);
  CHECK(texts(consoles).size() == 5);
  CHECK(consoles.take_lines().back().text == "three");
  CHECK(consoles.lines().empty());
}

TEST_CASE("who listens hears bytes as they come and lines as they end") {
  const Scenario one = scenario_of(1), two = scenario_of(2);
  for (const Scenario* scenario : {&one, &two}) {
    Consoles consoles(*scenario);
    std::string bytes;
    Texts lines;
    consoles.reset({[&](const std::string& line) { lines.push_back(line); }, [&](std::string_view s) { bytes += s; }});
    put(consoles, kFirst, "a\r");
    CHECK(lines.empty());
    put(consoles, kFirst, "\nb");
    CHECK(bytes == "a\r\nb");
    CHECK(lines == (scenario == &one ? Texts{"a"} : Texts{"first: a"}));
  }
}

TEST_CASE("a line that a guest never ends comes in pieces") {
  const Scenario scenario = scenario_of(1);
  Consoles consoles(scenario);
  const std::string piece(Consoles::kMaxLine, 'x');
  for (unsigned i = 0; i < 3; ++i) put(consoles, kFirst, piece);
  put(consoles, kFirst, "y");
  REQUIRE(consoles.lines().size() == 3);
  for (const ConsoleLine& line : consoles.lines()) CHECK(line.text == piece);
  CHECK(consoles.partial(kFirst) == "y");
}

TEST_CASE("what a run wrote is gone in the next") {
  const Scenario scenario = scenario_of(1);
  Consoles consoles(scenario);
  put(consoles, kFirst, "a\nb");
  consoles.reset({});
  CHECK(consoles.lines().empty());
  CHECK(consoles.partial(kFirst).empty());
}

TEST_CASE("consoles are saved and restored, and bytes that cannot be are refused") {
  const Scenario scenario = scenario_of(1);
  Consoles before(scenario), after(scenario);
  put(before, kFirst, "whole\npart");
  StateWriter writer;
  before.partial_field(writer, kFirst);
  before.lines_field(writer);
  StateReader reader(writer.out);
  after.partial_field(reader, kFirst);
  after.lines_field(reader);
  CHECK(reader.ok());
  CHECK(reader.left() == 0);
  put(after, kFirst, "\n");
  CHECK(texts(after) == Texts{"first|whole", "first|part"});

  std::vector<ConsoleLine> lines{{DomId{2}, "", "of nobody"}};
  StateWriter wrong;
  wrong.each("console", lines, 1, [&](ConsoleLine& line) {
    wrong("dom", line.dom);
    wrong("text", line.text, 100);
  });
  StateReader refused(wrong.out);
  after.lines_field(refused);
  CHECK(refused.why() == "a console line is of no guest");

  std::string endless(Consoles::kMaxLine, 'x');
  StateWriter too_long;
  too_long("partial_line", endless, endless.size());
  StateReader long_line(too_long.out);
  after.partial_field(long_line, kFirst);
  CHECK_FALSE(long_line.ok());
}

TEST_CASE("of a guest that never stops writing the first and the last lines are kept") {
  const Scenario scenario = scenario_of(1);
  Consoles consoles(scenario);
  uint64_t heard = 0;
  consoles.reset({[&](const std::string&) { ++heard; }, {}});
  const std::string piece(Consoles::kMaxLine - 100, 'x');
  const uint64_t lines = 3 * Consoles::kMaxKept / Consoles::kMaxLine;
  for (uint64_t i = 0; i < lines; ++i) put(consoles, kFirst, std::to_string(i) + piece + "\n");
  CHECK(heard == lines);
  const auto number = [](const ConsoleLine& line) { return std::stoull(line.text); };
  const std::vector<ConsoleLine> kept = consoles.take_lines();
  size_t bytes = 0, at = 0;
  for (const ConsoleLine& line : kept) bytes += line.text.size();
  CHECK(bytes <= Consoles::kMaxKept);
  CHECK(bytes > Consoles::kMaxKept / 4);
  while (at < kept.size() && kept[at].text[0] != '[') {
    CHECK(number(kept[at]) == at);
    ++at;
  }
  REQUIRE(at + 1 < kept.size());
  const uint64_t next = number(kept[at + 1]);
  CHECK(kept[at].text == "[" + std::to_string(next - at) + " lines are left out here]");
  CHECK(number(kept.back()) == lines - 1);
  CHECK(kept.size() - at - 1 == lines - next);
  // And the next run begins anew.
  put(consoles, kFirst, "a\n");
  CHECK(texts(consoles) == Texts{"first|a"});
  CHECK(consoles.take_lines().size() == 1);
}
