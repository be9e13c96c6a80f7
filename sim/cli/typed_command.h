// A command that is typed at a shell's prompt, as a LiveInput; its status becomes the guest's.
#pragma once

#include <string>
#include <utility>

#include "models/base/result.h"
#include "sim/machine/live_input.h"

namespace xensim::sim {

// What to type at the bundled initramfs's shell so that it runs `command` and ends the machine with its status. kInput:
// a line of it is longer than the shell takes.
Result<std::string> command_to_type(const std::string& command);

// Types `text` in the first turn, and nothing after it.
class TypedCommand final : public LiveInput {
 public:
  explicit TypedCommand(std::string text) : text_(std::move(text)) {}
  std::string poll() override { return std::exchange(text_, {}); }
  void wait(uint64_t) override {}
  bool closed() const override { return true; }
  bool quit() const override { return false; }

 private:
  std::string text_;
};

}  // namespace xensim::sim
