// Runs a program of the host and keeps what it says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/base/result.h"

namespace xensim::sim {

struct Spawned {
  int status = 0;  // exit status; 128 and more: killed by a signal
  std::string out;
  std::string last_note;  // the last line of its standard error
};

// `argv[0]` is a path. Standard input is empty; each line of standard error is given to `on_note` as it comes.
// kEnvironment: it cannot be started.
Result<Spawned> spawn(const std::vector<std::string>& argv, const std::function<void(const std::string&)>& on_note);

}  // namespace xensim::sim
