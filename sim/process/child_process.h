// Copies of this process that work for it and answer over a pipe (explore/workers.h, machine_fork.h).
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace xensim::sim {

// All of it, or false: the other side is gone.
bool write_all(int pipe, std::span<const std::byte> bytes);
bool read_all(int pipe, std::span<std::byte> bytes);

// To be called first in a copy: signals that end a process end it, whatever the caller does with them.
void take_default_signals();

// "signal 9", "status 1": how a process ended, from what waitpid() says.
std::string how_it_ended(int wait_status);

}  // namespace xensim::sim
