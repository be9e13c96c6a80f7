// See transcript.h.
#include "sim/oracle/transcript.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <sstream>

#include "sim/scenario/scenario.h"

namespace xensim::sim {

namespace {

constexpr std::string_view kRunMark = "# run: ";

Result<uint32_t> parse_number(std::string_view option, const std::string& word, uint32_t least, uint32_t most) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size() || value < least || value > most) {
    return input_error(fmt::format("{} {}: a number from {} to {} is needed", option, word, least, most));
  }
  return value;
}

size_t mark_of(std::string_view line) { return line.find_first_of(":%="); }

}  // namespace

Result<OracleRun> parse_oracle_run(std::string_view words) {
  OracleRun run;
  std::istringstream in{std::string(words)};
  for (std::string word; in >> word;) {
    if (word == "--together") {
      run.together = true;
    } else if (word == "--hvm") {
      run.hvm = true;
    } else if (word == "--viridian") {
      run.viridian = true;
    } else if (word == "--vcpus") {
      word.clear();
      in >> word;
      XS_TRY(run.vcpus, parse_number("--vcpus", word, 1, 128));
    } else if (word == "--memory") {
      word.clear();
      in >> word;
      XS_TRY(run.memory_mib, parse_number("--memory", word, 2, 1024));
    } else if (word == "--event-channels") {
      word.clear();
      in >> word;
      XS_TRY(run.event_channels, parse_number("--event-channels", word, kLeastEventChannels, kMostEventChannels));
    } else if (word.starts_with('-')) {
      return input_error(fmt::format(
          "{}: no such option (--vcpus N, --memory MIB, --event-channels N, --together, --hvm, --viridian)", word));
    } else {
      run.programs.push_back(word);
    }
  }
  if (run.programs.empty()) return input_error("no program is named");
  if (run.viridian && !run.hvm) return input_error("--viridian needs --hvm");
  return run;
}

std::string format_oracle_run(const OracleRun& run) {
  std::string words;
  if (run.hvm) words += "--hvm ";
  if (run.viridian) words += "--viridian ";
  if (run.together) words += "--together ";
  if (run.vcpus != 1) words += fmt::format("--vcpus {} ", run.vcpus);
  if (run.memory_mib != 64) words += fmt::format("--memory {} ", run.memory_mib);
  if (run.event_channels) words += fmt::format("--event-channels {} ", *run.event_channels);
  return words + fmt::format("{}", fmt::join(run.programs, " "));
}

std::vector<std::string> transcript_names(const OracleRun& run) {
  std::vector<std::string> names;
  std::map<std::string, unsigned> seen;
  for (const std::string& program : run.programs) {
    const unsigned times = ++seen[program];
    names.push_back(times == 1 ? program : fmt::format("{}#{}", program, times));
  }
  return names;
}

Result<Transcript> parse_transcript(const std::string& name, std::string_view text) {
  Transcript transcript;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kRunMark)) {
      auto run = parse_oracle_run(std::string_view(line).substr(kRunMark.size()));
      if (!run) return input_error(fmt::format("{}: {}", name, run.error().message));
      transcript.run = std::move(*run);
    } else if (line.starts_with("# ")) {
      transcript.versions = line.substr(2);
    } else if (!line.empty()) {
      transcript.lines.push_back(line);
    }
  }
  if (transcript.run.programs.empty()) return input_error(fmt::format("{}: has no line '{}...'", name, kRunMark));
  if (transcript.lines.empty()) return input_error(fmt::format("{}: has no line of a guest", name));
  return transcript;
}

std::string format_transcript(const Transcript& transcript) {
  std::string text = fmt::format("# {}\n{}{}\n", transcript.versions, kRunMark, format_oracle_run(transcript.run));
  for (const std::string& line : transcript.lines) text += line + "\n";
  return text;
}

bool may_differ(std::string_view line) {
  const size_t mark = mark_of(line);
  return mark != std::string_view::npos && line.substr(mark + 1).starts_with(" ~");
}

bool lines_agree(std::string_view a, std::string_view b) {
  if (a == b) return true;
  return may_differ(a) && may_differ(b) && a.substr(0, mark_of(a)) == b.substr(0, mark_of(b));
}

}  // namespace xensim::sim
