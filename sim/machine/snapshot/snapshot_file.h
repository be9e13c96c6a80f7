// A snapshot as a file (docs/snapshots.md): a head, sections with checksums, an end.
//
// Every byte of a file may be hostile. What is read is a file as it was written, but for the content of its sections:
// Machine::prepare and parse_trace_info look at that.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "sim/machine/snapshot/snapshot.h"

namespace xensim::sim {

std::vector<std::byte> format_snapshot(const Snapshot& snapshot);
// kInput, in one line: `name`, the offset, and what is wrong there.
Result<Snapshot> parse_snapshot(const std::string& name, std::span<const std::byte> bytes);

// Writes PATH.part and renames it; gives the file's size. kEnvironment: it cannot be written.
Result<uint64_t> write_snapshot(const std::string& path, const Snapshot& snapshot);
Result<Snapshot> read_snapshot(const std::string& path);

// Puts all checksums right, as far as there are sections, so that a fuzzer gets past them.
void seal_snapshot(std::span<std::byte> bytes);

}  // namespace xensim::sim
