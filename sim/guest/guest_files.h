// The files a guest is made of, read and checked: its image (a PVH ELF, or a Linux bzImage with one inside) and its
// initrd.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "models/pc/load/bzimage.h"
#include "models/pc/load/pvh_loader.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

struct GuestFiles {
  std::vector<std::byte> elf;  // what `image` was read from
  pc::PvhImage image;
  std::vector<std::byte> kernel;       // the bzImage's own file
  std::optional<pc::BzImage> bzimage;  // none: the image was an ELF
  std::vector<std::byte> initrd;       // empty: none
};

Result<GuestFiles> read_guest_files(const GuestConfig& config);
// For a guest that is in memory already: the image's symbols and points alone, and those of a bzImage not at all.
Result<GuestFiles> read_named_parts(const GuestConfig& config);

}  // namespace xensim::sim
