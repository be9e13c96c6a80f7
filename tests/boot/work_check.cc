// See work_check.h.
#include "tests/boot/work_check.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/boot/boot_log.h"
#include "tests/boot/kernels.h"
#include "tests/cli/program.h"

namespace xensim {

namespace {

constexpr const char* kWork = XENSIM_BINARY_DIR "/tests/boot/boot_work";

// What a shell command says natively.
std::vector<std::string> said_natively(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string said;
  char block[256];
  while (const size_t got = std::fread(block, 1, sizeof block, pipe)) said.append(block, got);
  CHECK(pclose(pipe) == 0);
  return lines_of(said);
}

// The initramfs of `xensim boot` with the program beside it: a second archive behind the first, as Linux takes them.
std::string initramfs_with_work(const std::string& command) {
  const std::string folder = scratch_folder() + "/with-work", path = scratch_folder() + "/with-work.cpio";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(kWork, folder + "/work", std::filesystem::copy_options::overwrite_existing);
  REQUIRE(run_program({"boot", "--exec", command, "--write-initrd", path}).status == 0);
  said_natively("cd " + folder + " && echo work | " + kernel_cache() + "/busybox cpio -o -H newc 2>/dev/null >>" +
                path);
  return path;
}

}  // namespace

void check_work(const std::string& kernel, unsigned vcpus, const std::string& platform) {
  CAPTURE(kernel);
  CAPTURE(vcpus);
  CAPTURE(platform);
  const std::string initrd = initramfs_with_work(
      "/work && dd if=/dev/zero bs=1M count=16 2>/dev/null | sha256sum\n"
      "i=0; while [ $i -lt 40 ]; do i=$(sh -c \"echo $((i + 1))\"); done; echo rounds $i\n"
      "seq 1 3000 | sort -rn | gzip | gunzip | sort -n | md5sum\n"
      "for n in 1 2 3 4; do (seq 1 500 | sort -rn | tail -n 1 > /tmp/$n) & done; wait; cat /tmp/1 /tmp/2 /tmp/3 /tmp/4 "
      "| wc -l");
  const Ran ran = run_program({"boot", "--json", "--kernel", "debian:" + kernel, "--vcpus", std::to_string(vcpus),
                               "--platform", platform, "--append", "quiet", "--initrd", initrd});
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  const auto console = console_of(ran.out);
  std::string shown;
  for (const std::string& line : console) shown += line + "\n";
  CAPTURE(shown);
  auto at = console.begin();
  for (const std::string& line : said_natively(kWork)) {
    at = std::find(at, console.end(), line);
    CHECK_MESSAGE(at != console.end(), "natively: " << line);
  }
  // The right answers are those of any other machine.
  CHECK(has(console, "080acf35a507ac9849cfcba47dc2ad83e01b75663a516279c8b9d243b719643e"));
  CHECK(has(console, "rounds 40"));
  CHECK(has(console, "ee9762749fc5338b6c9b0948d14219c7"));
  CHECK(std::find(console.begin(), console.end(), "4") != console.end());
}

}  // namespace xensim
