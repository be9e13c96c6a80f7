// Traits and presets; each trait's evidence is looked up in the transcripts of tests/oracle/.
#include "models/xen/api/flavour.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

namespace xensim::xen {
namespace {

// The lines of a transcript that begin so: "text" of `program: text`, "= how it ended" of `program= how it ended`.
std::vector<std::string> lines_of(const std::string& transcript, std::string_view flavour, std::string_view beginning) {
  const std::string path = fmt::format("{}/tests/oracle/{}.{}.txt", XENSIM_SOURCE_DIR, transcript, flavour);
  std::ifstream file(path);
  CHECK_MESSAGE(file.is_open(), path);
  std::vector<std::string> found;
  for (std::string line; std::getline(file, line);) {
    const size_t mark = line.find_first_of(":%=");
    if (line.starts_with('#') || mark == std::string::npos) continue;
    std::string text = line.substr(line[mark] == '=' ? mark : std::min(mark + 2, line.size()));
    if (text.starts_with(beginning)) found.push_back(std::move(text));
  }
  return found;
}

TEST_CASE("each trait has its evidence: a line on which the transcripts differ, or which one alone has") {
  for (const TraitInfo& trait : all_traits()) {
    CAPTURE(trait.name);
    const size_t colon = trait.evidence.find(": ");
    REQUIRE(colon != std::string_view::npos);
    const std::string transcript(trait.evidence.substr(0, colon));
    const std::string_view beginning = trait.evidence.substr(colon + 2);
    const bool of_no_preset = !trait.in_kvm && !trait.later;
    CHECK((transcript == "history") == of_no_preset);
    if (of_no_preset) continue;  // no oracle has it any more
    CHECK(lines_of(transcript, "xen", beginning) != lines_of(transcript, trait.later ? "xen-4.20" : "kvm", beginning));
  }
}

TEST_CASE("trait names are unique, and both behaviours are told") {
  std::set<std::string_view> names;
  for (const TraitInfo& trait : all_traits()) {
    CAPTURE(trait.name);
    CHECK(names.insert(trait.name).second);
    CHECK_FALSE(trait.off.empty());
    CHECK_FALSE(trait.on.empty());
    CHECK(trait.off != trait.on);
  }
}

TEST_CASE("presets: xen has no trait, xen-4.20 those of later Xen, kvm its own") {
  std::vector<std::string_view> names;
  for (const PresetInfo& preset : all_presets()) {
    names.push_back(preset.name);
    const auto flavour = flavour_by_name(preset.name);
    REQUIRE(flavour.has_value());
    for (const TraitInfo& trait : all_traits()) {
      CAPTURE(trait.name);
      const bool on = preset.name == "xen" ? false : preset.name == "kvm" ? trait.in_kvm : trait.later;
      CHECK((*flavour).*trait.value == on);
    }
  }
  CHECK(names == std::vector<std::string_view>{"xen", "xen-4.20", "kvm"});
}

TEST_CASE("a flavour may have single traits on besides") {
  CHECK(flavour_by_name("xen+late_singleshot_etime")->late_singleshot_etime);
  CHECK_FALSE(flavour_by_name("xen+late_singleshot_etime")->poll_timeout_relative);
  CHECK(flavour_by_name("kvm+late_singleshot_etime+runstate_flag_by_word")->poll_timeout_relative);
  CHECK(flavour_by_name("xen-4.20+poll_timeout_relative")->poll_timeout_relative);
  CHECK(flavour_by_name("xen+nonsense").error().message ==
        "flavour 'xen+nonsense': there is no trait 'nonsense' (xensim list flavours)");
  CHECK_FALSE(flavour_by_name("xen+").has_value());
}

TEST_CASE("an unknown flavour is refused with the names there are") {
  const auto unknown = flavour_by_name("bhyve");
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().kind == ErrorKind::kInput);
  CHECK(unknown.error().message == "unknown flavour 'bhyve': there are xen, xen-4.20, kvm");
}

}  // namespace
}  // namespace xensim::xen
