// Where the program finds what was built and shipped with it: guest programs, scenarios and oracles.
#pragma once

#include <string>

#include "sim/scenario/scenario.h"

namespace xensim::sim {

struct InstallPaths {
  std::string scenarios;  // the folder of *.toml
  std::string guests;     // the folder of guest programs, NAME.elf
  std::string oracles;    // the folder of the scripts that ask the real Xen and the real KVM
};

// Read from the file `xensim.paths` beside the program, which the build writes; else the layout of an installation,
// ../share/xensim/{scenarios,guests,oracles}. Folders need not exist. XENSIM_ORACLES, where it is set, wins.
const InstallPaths& install_paths();
ImagePaths image_paths();

// A path as a person would write it here: relative to the working directory where it lies below it.
std::string short_path(const std::string& path);
// Quoted for a shell where that is needed.
std::string shell_word(const std::string& word);

}  // namespace xensim::sim
