// libFuzzer target: any bytes, read and loaded as a PVH guest and as a native image. Nothing but a crash or a
// sanitizer's report is a finding.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "models/pc/load/native_image.h"
#include "models/pc/load/pvh_loader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kRamBytes = 2 << 20;
  static std::vector<std::byte> ram(kRamBytes);
  const auto file = std::as_bytes(std::span(data, size));
  if (const auto image = xensim::pc::read_pvh_image("input", file)) {
    if (xensim::pc::load_pvh_image(*image, file, ram)) {
      const auto start = xensim::pc::prepare_pvh_start(*image, {.command_line = "x"}, ram);
      if (start && start->end.v > kRamBytes) __builtin_trap();
    }
    for (const auto& segment : image->segments) static_cast<void>(image->symbols.describe(xensim::Gva{segment.gpa.v}));
  }
  if (const auto image = xensim::pc::read_native_image("input", file)) {
    auto program = xensim::pc::NativeProgram::place(*image, file, ram);
    if (program) program->reset();
  }
  return 0;
}
