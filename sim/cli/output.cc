// See output.h.
#include "sim/cli/output.h"

#include <ostream>

namespace xensim::sim {

void Output::clear_progress() {
  if (!progress_shown_) return;
  err_ << "\r\x1b[K" << std::flush;
  progress_shown_ = false;
}

void Output::print(std::string_view text) {
  if (options_.json) return;
  clear_progress();
  out_ << text << '\n' << std::flush;
}

void Output::print_raw(std::string_view bytes) {
  if (options_.json) return;
  clear_progress();
  out_ << bytes << std::flush;
}

void Output::note(std::string_view text) {
  if (options_.quiet) return;
  clear_progress();
  err_ << text << '\n' << std::flush;
}

void Output::error(std::string_view text) {
  clear_progress();
  err_ << text << '\n' << std::flush;
}

void Output::progress(std::string_view text) {
  if (!options_.progress || options_.quiet) return;
  clear_progress();
  if (text.empty()) return;
  err_ << text << std::flush;
  progress_shown_ = true;
}

}  // namespace xensim::sim
