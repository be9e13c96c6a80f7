// What a kernel said while it booted, for comparison between machines.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace xensim {

// Lines of a kernel's log that tell of trouble: warnings, bugs, stalls, lost events, failures. Without their times.
std::set<std::string> troubles(const std::vector<std::string>& lines);

// Those of them that no kernel should show anywhere: warnings with their traces, bugs, stalls, lockups, lost events.
std::set<std::string> grave(const std::vector<std::string>& lines);

// The numbered lines of /proc/interrupts without their counts: "16 xen-percpu -virq timer0".
std::set<std::string> interrupts(const std::vector<std::string>& lines);

std::vector<std::string> lines_of(const std::string& text);
// The lines of a --json report's console.
std::vector<std::string> console_of(const std::string& report);
// Whether `what` is in one of them.
bool has(const std::vector<std::string>& lines, const std::string& what);
// One text of them, a line each, to be compared and shown.
std::string joined(const std::set<std::string>& lines);
// Of `lines`, those that are not in `known`.
std::set<std::string> alone(const std::set<std::string>& lines, const std::set<std::string>& known);

}  // namespace xensim
