// What the user gave to `xensim boot`, checked before a scenario is made of it, and complaints about that scenario in
// the words that the user wrote.
#pragma once

#include <string>

#include "models/base/result.h"

namespace xensim::sim {

// A file that the user named, as an absolute path: traces carry it. kInput, with the option's name, where it is not
// one.
Result<std::string> user_file(const std::string& option, const std::string& path);

// As user_file, and the file is one that a kernel can unpack as an initramfs: cpio (newc), or compressed.
Result<std::string> user_initrd(const std::string& path);

// An error about the scenario that a boot's options became: "boot:11: guest.memory: ..." is about --memory, and so is a
// kernel that does not fit.
Error in_options_words(Error error);

}  // namespace xensim::sim
