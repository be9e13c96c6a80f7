// See guest_files.h.
#include "sim/guest/guest_files.h"

#include "sim/boot/initramfs.h"
#include "sim/scenario/read_file.h"

namespace xensim::sim {

Result<GuestFiles> read_guest_files(const GuestConfig& config) {
  GuestFiles files;
  XS_TRY(files.elf, read_file(config.image));
  if (pc::is_bzimage(files.elf)) {
    files.kernel = std::move(files.elf);
    XS_TRY(files.bzimage, pc::read_bzimage(config.image, files.kernel));
    XS_TRY(files.elf, pc::unpack_bzimage(config.image, *files.bzimage, files.kernel));
  }
  XS_TRY(files.image, pc::read_pvh_image(config.image, files.elf));
  if (!config.initrd.empty()) {
    XS_TRY(files.initrd, read_file(config.initrd));
  }
  if (!config.busybox.empty()) {
    XS_TRY(const auto busybox, read_file(config.busybox));
    files.initrd = make_initramfs(busybox, config.command);
  }
  return files;
}

Result<GuestFiles> read_named_parts(const GuestConfig& config) {
  GuestFiles files;
  XS_TRY(files.elf, read_file(config.image));
  if (pc::is_bzimage(files.elf)) return GuestFiles{};
  XS_TRY(files.image, pc::read_pvh_image(config.image, files.elf));
  return files;
}

}  // namespace xensim::sim
