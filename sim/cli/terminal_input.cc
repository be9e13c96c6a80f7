// See terminal_input.h.
#include "sim/cli/terminal_input.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

namespace xensim::sim {

namespace {

constexpr char kCtrlA = 1;
constexpr unsigned kTurnsBetweenLooks = 64;  // a look is a system call; a turn is some microseconds of work
constexpr uint64_t kLongestWaitMs = 1000;

bool readable(int descriptor, int timeout_ms) {
  pollfd wanted{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, timeout_ms) > 0;
}

}  // namespace

std::string EscapeFilter::filter(std::string_view typed) {
  std::string text;
  for (const char c : typed) {
    if (!escaped_ && c == kCtrlA) {
      escaped_ = true;
      continue;
    }
    if (escaped_ && (c == 'x' || c == 'X')) quit_ = true;
    // After the escape anything else but a second Ctrl-A is dropped with it.
    if (!escaped_ || c == kCtrlA) text += c;
    escaped_ = false;
  }
  return text;
}

struct TerminalInput::Saved {
  termios settings{};
};

TerminalInput::TerminalInput(int descriptor) : descriptor_(descriptor), saved_(std::make_unique<Saved>()) {
  terminal_ = tcgetattr(descriptor_, &saved_->settings) == 0;
  if (!terminal_) return;
  termios raw = saved_->settings;
  cfmakeraw(&raw);
  raw.c_oflag |= OPOST | ONLCR;
  tcsetattr(descriptor_, TCSANOW, &raw);
}

TerminalInput::~TerminalInput() {
  if (terminal_) tcsetattr(descriptor_, TCSANOW, &saved_->settings);
}

std::string TerminalInput::poll() {
  if (closed_ || ++since_look_ < kTurnsBetweenLooks) return {};
  since_look_ = 0;
  if (!readable(descriptor_, 0)) return {};
  char block[256];
  const ssize_t got = read(descriptor_, block, sizeof block);
  if (got <= 0) {
    closed_ = true;
    return {};
  }
  std::string text = filter_.filter({block, static_cast<size_t>(got)});
  // A pipe has new lines where a keyboard has carriage returns.
  if (!terminal_) std::replace(text.begin(), text.end(), '\n', '\r');
  return text;
}

void TerminalInput::wait(uint64_t virtual_ns) {
  if (closed_) return;
  readable(descriptor_, static_cast<int>(std::min(virtual_ns / 1'000'000, kLongestWaitMs)));
  since_look_ = kTurnsBetweenLooks;
}

}  // namespace xensim::sim
