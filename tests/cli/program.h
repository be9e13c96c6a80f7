// Runs the built program xensim, as a user does, and keeps what it says.
#pragma once

#include <string>
#include <vector>

namespace xensim {

struct Ran {
  int status = 0;  // exit status; 128 and more: killed by a signal
  std::string out, err;
};

// In `folder`, which exists; the test's own scratch folder where it is empty.
Ran run_program(const std::vector<std::string>& args, const std::string& folder = {});
// Without address space randomisation, as under `setarch -R`. Status 126: this host does not allow that.
Ran run_program_at_fixed_addresses(const std::vector<std::string>& args);

// A folder of this process, gone at its end.
const std::string& scratch_folder();
// Writes a file there and gives its path.
std::string scratch_file(const std::string& name, const std::string& bytes);
std::string read_text(const std::string& path);

}  // namespace xensim
