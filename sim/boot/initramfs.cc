// See initramfs.h.
#include "sim/boot/initramfs.h"

#include "sim/boot/cpio.h"
#include "sim/boot/exit_program.h"

namespace xensim::sim {

namespace {

// Standard input, output and error are the console that the kernel opened for init. It ends the machine with
// the command's status.
constexpr const char* kInit = R"(#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /tmp
mount -t devpts devpts /dev/pts 2>/dev/null
if [ -s /command ]; then
  sh /command
  status=$?
else
  cd /
  setsid cttyhack sh
  status=0
fi
sync
xensim-exit $status
poweroff -f
)";

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

std::vector<std::byte> make_initramfs(std::span<const std::byte> busybox, const std::string& command) {
  CpioWriter cpio;
  for (const char* folder : {"bin", "dev", "proc", "sys", "tmp"}) cpio.folder(folder);
  cpio.character_device("dev/console", 5, 1);
  cpio.character_device("dev/null", 1, 3);
  cpio.file("bin/busybox", busybox, true);
  cpio.file("bin/xensim-exit", make_exit_program(), true);
  cpio.file("init", bytes_of(kInit), true);
  cpio.file("command", bytes_of(command.empty() ? command : command + "\n"), false);
  return cpio.finish();
}

}  // namespace xensim::sim
