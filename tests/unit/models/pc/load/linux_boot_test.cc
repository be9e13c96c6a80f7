// The 64-bit Linux boot protocol: what a kernel finds in memory and registers, and what does not fit.
#include "models/pc/load/linux_boot.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace xensim;
using namespace xensim::pc;

namespace {

using Bytes = std::vector<std::byte>;

template <class T>
T get(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Kernel {
  Bytes file = Bytes(1024 + 4096, std::byte{0x90});
  BzImage image{.protocol = 0x20f,
                .kernel_offset = 1024,
                .preferred_address = 0x100000,
                .init_bytes = 0x200000,
                .most_cmdline_bytes = 255,
                .most_initrd_address = 0x7fffffff,
                .entry_64 = true,
                .version = {}};
  LinuxBootOptions options{.command_line = "console=hvc0",
                           .initrd = {},
                           .memory_map = {{Gpa{0}, 0xa0000, 1}, {Gpa{0x100000}, 0x700000, 1}},
                           .rsdp = Gpa{0xfc000240}};
  Bytes ram = Bytes(8 << 20);

  Kernel() {
    std::memcpy(file.data() + 0x202, "HdrS", 4);
    file[0x201] = std::byte{0x66};
  }
  Result<CpuRegs> prepare() { return prepare_linux_boot("k", image, file, options, ram); }
};

}  // namespace

TEST_CASE("long mode at the 64-bit entry, with boot parameters in RSI") {
  Kernel kernel;
  const Bytes initrd(5000, std::byte{7});
  kernel.options.initrd = initrd;
  const auto regs = kernel.prepare();
  REQUIRE(regs.has_value());
  CHECK(regs->rip == 0x100200);
  CHECK((regs->efer & 0x500) == 0x500);
  CHECK((regs->cr0 & 0x80000001) == 0x80000001);
  const auto params = std::span<const std::byte>(kernel.ram).subspan(regs->gpr[kRsi], 4096);
  CHECK(std::memcmp(params.data() + 0x202, "HdrS", 4) == 0);
  CHECK(get<uint64_t>(params, 0x70) == 0xfc000240);
  CHECK(get<uint8_t>(params, 0x1e8) == 2);
  CHECK(get<uint64_t>(params, 0x2d0 + 20) == 0x100000);
  CHECK(std::strcmp(reinterpret_cast<const char*>(kernel.ram.data()) + get<uint32_t>(params, 0x228), "console=hvc0") ==
        0);
  const auto at = get<uint32_t>(params, 0x218);
  CHECK(get<uint32_t>(params, 0x21c) == 5000);
  CHECK(at % 4096 == 0);
  CHECK(kernel.ram[at + 4999] == std::byte{7});
  // The identity map: 3 GiB and 5 MiB, through all levels.
  const uint64_t pdpt = get<uint64_t>(kernel.ram, regs->cr3) & ~0xfffull;
  const uint64_t directory = get<uint64_t>(kernel.ram, pdpt + 3 * 8) & ~0xfffull;
  CHECK(get<uint64_t>(kernel.ram, directory + 2 * 8) == (0xc0400000 | 0x83));
}

TEST_CASE("what does not fit is said in one line") {
  Kernel small;
  small.ram.resize(2 << 20);
  CHECK(small.prepare().error().message == "k: needs 3 MiB of memory, the guest has 2");
  Kernel wordy;
  wordy.options.command_line = std::string(256, 'x');
  CHECK(wordy.prepare().error().message == "k: takes a command line of at most 255 bytes, this one has 256");
  Kernel heavy;
  const Bytes initrd(6 << 20);
  heavy.options.initrd = initrd;
  CHECK(heavy.prepare().error().message.starts_with("k: no room for the initrd (6144 KiB) in 8 MiB"));
  Kernel narrow;
  narrow.image.entry_64 = false;
  CHECK_FALSE(narrow.prepare().has_value());
}
