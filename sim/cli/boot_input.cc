// See boot_input.h.
#include "sim/cli/boot_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "sim/scenario/read_file.h"

namespace xensim::sim {

namespace {

using namespace std::string_view_literals;

// How the archives begin that Linux unpacks (its documentation of the initramfs buffer format): cpio, gzip, xz, zstd,
// lz4, bzip2, lzma, lzo.
constexpr std::array kInitrdMagics = {"070701"sv,           "070702"sv,   "\x1f\x8b"sv, "\xfd\x37\x7a\x58\x5a"sv,
                                      "\x28\xb5\x2f\xfd"sv, "\x02\x21"sv, "BZh"sv,      "\x5d\x00\x00"sv,
                                      "\x89\x4c\x5a\x4f"sv};

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kOptionOfKey = {
    {{"guest.memory", "--memory"},
     {"guest.vcpus", "--vcpus"},
     {"guest.command", "--exec"},
     {"guest.cmdline", "--append"},
     {"machine.time_limit", "--time-limit"}}};

}  // namespace

Result<std::string> user_file(const std::string& option, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return input_error(fmt::format("{} {}: there is no such file", option, path));
  return std::filesystem::absolute(path).string();
}

Result<std::string> user_initrd(const std::string& path) {
  XS_TRY(std::string file, user_file("--initrd", path));
  XS_TRY(const auto bytes, read_file(file));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool known = std::any_of(kInitrdMagics.begin(), kInitrdMagics.end(),
                                 [&](std::string_view magic) { return text.starts_with(magic); });
  if (!known)
    return input_error(fmt::format("--initrd {}: neither a cpio archive nor one that Linux can unpack", path));
  return file;
}

Error in_options_words(Error error) {
  for (const auto& [key, option] : kOptionOfKey) {
    const std::string named = fmt::format(": {}: ", key);
    const size_t at = error.message.find(named);
    if (at == std::string::npos || !error.message.starts_with("boot:")) continue;
    error.message = fmt::format("{}: {}", option, error.message.substr(at + named.size()));
    break;
  }
  if (error.message.find("outside the guest's memory") != std::string::npos) error.message += " (--memory)";
  return error;
}

}  // namespace xensim::sim
