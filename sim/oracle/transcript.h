// Transcripts: what guests printed under one implementation of the ABI, and how they ended, as text that diff compares.
//
// A line is `<program>: <text>` (debug port), `<program>% <text>` (PV console) or `<program>= <how it ended>`, grouped
// by program; the second of a name is `<program>#2`. A text that begins with `~` may differ from run to run and is
// compared by that mark alone. A file of tests/oracle/ opens with two comments: the versions of what was asked, and `#
// run: ` with the words that say what was run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

// What is run, on whichever implementation. As words: `[--hvm [--viridian]] [--together] [--vcpus N]
// [--memory MIB] [--event-channels N] PROGRAM...`.
struct OracleRun {
  uint32_t vcpus = 1;        // of every guest, 1 to 128
  uint32_t memory_mib = 64;  // of every guest, 2 to 1024
  // The highest event channel of every guest (xl's max_event_channels), 16 to 1'000'000; nothing: the implementation's.
  std::optional<uint32_t> event_channels;
  bool together = false;  // all at once, as domains 1, 2, ...; else one after the other
  bool hvm = false;       // the real Xen makes type=hvm domains of them
  bool viridian = false;  // with Microsoft's interface, as xl's `viridian=1` gives it; of --hvm alone
  std::vector<std::string> programs;
};

// kInput: a word that is none of these, or no program.
Result<OracleRun> parse_oracle_run(std::string_view words);
std::string format_oracle_run(const OracleRun& run);
// The names that the programs have in a transcript's lines.
std::vector<std::string> transcript_names(const OracleRun& run);

struct Transcript {
  std::string versions;
  OracleRun run;
  std::vector<std::string> lines;
};

// `name` is for errors alone (kInput).
Result<Transcript> parse_transcript(const std::string& name, std::string_view text);
std::string format_transcript(const Transcript& transcript);

// Does the mark `~` exempt the line from comparison?
bool may_differ(std::string_view line);
// Equal, or both exempt and of one program.
bool lines_agree(std::string_view a, std::string_view b);

}  // namespace xensim::sim
