// A person at the terminal, as a LiveInput: what is typed goes to the guest, byte for byte; Ctrl-A x leaves, Ctrl-A
// Ctrl-A is a Ctrl-A. Host time decides when a byte arrives; the machine records in which turn it did.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sim/machine/live_input.h"

namespace xensim::sim {

// The escapes alone, without a terminal.
class EscapeFilter {
 public:
  // What of `typed` is for the guest.
  std::string filter(std::string_view typed);
  bool quit() const { return quit_; }

 private:
  bool escaped_ = false;
  bool quit_ = false;
};

class TerminalInput final : public LiveInput {
 public:
  // Reads the descriptor, standard input; a terminal is put in raw mode as long as this lives.
  explicit TerminalInput(int descriptor = 0);
  TerminalInput(const TerminalInput&) = delete;
  TerminalInput& operator=(const TerminalInput&) = delete;
  ~TerminalInput() override;

  std::string poll() override;
  void wait(uint64_t virtual_ns) override;
  bool closed() const override { return closed_; }
  bool quit() const override { return filter_.quit(); }

 private:
  struct Saved;

  int descriptor_;
  bool terminal_ = false;
  bool closed_ = false;
  unsigned since_look_ = 0;
  EscapeFilter filter_;
  std::unique_ptr<Saved> saved_;
};

}  // namespace xensim::sim
