// Bytes in, lines out: what a console's reader wants of a device that knows bytes alone.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace xensim::pc {

// Calls `on_line` with each complete line, without its '\n' (and without a '\r' before it), and at flush() with a last
// one that has no '\n'. A line longer than kMaxLine is handed out in pieces, so that a guest cannot fill the host's
// memory. Plain data but for the callback.
class LineAssembler {
 public:
  static constexpr size_t kMaxLine = 4096;

  explicit LineAssembler(std::function<void(std::string_view)> on_line) : on_line_(std::move(on_line)) {}

  void put(unsigned char byte) {
    if (byte == '\n') {
      if (!line_.empty() && line_.back() == '\r') line_.pop_back();
      emit();
      return;
    }
    line_.push_back(static_cast<char>(byte));
    if (line_.size() == kMaxLine) emit();
  }

  void put(std::string_view bytes) {
    for (const char byte : bytes) put(static_cast<unsigned char>(byte));
  }

  // The end of output: hands out what is left, if anything is.
  void flush() {
    if (!line_.empty()) emit();
  }

  // The line so far: a console's whole volatile state.
  const std::string& partial() const { return line_; }
  void set_partial(std::string line) { line_ = std::move(line); }

 private:
  void emit() {
    const std::string line = std::exchange(line_, {});
    on_line_(line);
  }

  std::function<void(std::string_view)> on_line_;
  std::string line_;
};

}  // namespace xensim::pc
