// The initramfs that comes with xensim boot: busybox, and an init that runs one command or gives a shell.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace xensim::sim {

// `busybox` is a static program. `command` is run by its shell, then the machine ends with the command's status; empty:
// a shell on the console, whose end powers the machine off. The same input gives the same bytes.
std::vector<std::byte> make_initramfs(std::span<const std::byte> busybox, const std::string& command);

}  // namespace xensim::sim
