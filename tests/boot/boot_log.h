// What a kernel said while it booted, for comparison between machines.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace xensim {

// Lines of a kernel's log that tell of trouble: warnings, bugs, stalls, lost events, failures. Without their times.
std::set<std::string> troubles(const std::vector<std::string>& lines);

// The numbered lines of /proc/interrupts without their counts: "16 xen-percpu -virq timer0".
std::set<std::string> interrupts(const std::vector<std::string>& lines);

std::vector<std::string> lines_of(const std::string& text);

}  // namespace xensim
