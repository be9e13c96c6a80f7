// Output: where a command's words go. Standard output has what was asked for (or, under --json, one object and nothing
// else); standard error has everything else.
#pragma once

#include <iosfwd>
#include <string_view>

namespace xensim::sim {

struct OutputOptions {
  bool json = false;
  bool quiet = false;      // -q: no notes
  unsigned verbosity = 0;  // number of -v
  bool progress = false;   // standard error is a terminal
};

// Borrows both streams.
class Output {
 public:
  Output(std::ostream& out, std::ostream& err, const OutputOptions& options)
      : out_(out), err_(err), options_(options) {}

  const OutputOptions& options() const { return options_; }
  bool json() const { return options_.json; }
  bool verbose() const { return options_.verbosity > 0; }

  // The command's answer: a line (or lines) on standard output; nothing under --json.
  void print(std::string_view text);
  // The answer, byte for byte, no newline added; nothing under --json.
  void print_raw(std::string_view bytes);
  // Something beside it, on standard error; nothing under -q.
  void note(std::string_view text);
  // An error, on standard error, always.
  void error(std::string_view text);
  // A line that the next one overwrites; on a terminal only. An empty one clears it.
  void progress(std::string_view text);

 private:
  void clear_progress();

  std::ostream& out_;
  std::ostream& err_;
  OutputOptions options_;
  bool progress_shown_ = false;
};

}  // namespace xensim::sim
