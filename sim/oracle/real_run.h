// A run on the real Xen or the real KVM, each in a machine of QEMU's TCG: the scripts sim/oracle/*-oracle.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"
#include "sim/oracle/transcript.h"

namespace xensim::sim {

// An implementation that can be asked, by the name of its flavour.
struct RealOne {
  std::string_view flavour;
  std::string_view script;                // in the folder of the scripts
  std::vector<std::string_view> options;  // that it always gets
  bool one_domain;                        // no --together, and no --hvm
};
std::span<const RealOne> all_real_ones();
const RealOne* find_real_one(std::string_view flavour);

struct RealOptions {
  std::string folder;       // of the scripts
  std::string kvm_kernel;   // instead of Debian's, where not empty
  std::string kvm_modules;  // a folder
  uint32_t seconds = 60;    // for each guest
  std::string log;          // a file for the machine's console, where not empty
  std::function<void(const std::string&)> on_note = [](const std::string&) {};
};

// The transcript. `images` has an ELF's path for each program of the run. kInput: it cannot run so. kEnvironment: QEMU
// or packages are missing, or the machine did not come up, as one line says.
Result<Transcript> run_real(const RealOne& real, const OracleRun& run, const std::vector<std::string>& images,
                            const RealOptions& options);

}  // namespace xensim::sim
