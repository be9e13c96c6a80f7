// Guests built natively: an x86-64 ELF shared object that runs inside this process, on fibers, without a CPU model.
//
// It is linked at virtual address 0x100000 or above, position independent, with relative relocations alone: nothing of
// the host reaches it but what the caller passes to the functions it finds by name. The bytes are code for this
// process: an image is as trusted as the program itself, but a file that is none of ours is refused in one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.h"

namespace xensim::pc {

inline constexpr uint64_t kNativeImageBase = 0x100000;

struct NativeSegment {
  uint64_t vaddr = 0;
  uint64_t file_offset = 0;
  uint64_t file_bytes = 0;
  uint64_t memory_bytes = 0;
  bool writable = false;
  bool executable = false;
};

// The 64-bit word at `vaddr` becomes (address of RAM) + addend.
struct NativeRelocation {
  uint64_t vaddr = 0;
  uint64_t addend = 0;
};

struct NativeExport {
  std::string name;
  uint64_t vaddr = 0;
  uint64_t bytes = 0;  // 0: not known
};

struct NativeImage {
  std::string name;
  uint64_t hash = 0;                    // XXH3, 64 bits, of the whole file
  std::vector<NativeSegment> segments;  // by address; they do not overlap
  std::vector<NativeRelocation> relocations;
  std::vector<NativeExport> exports;  // global symbols, by name
  uint64_t end = 0;                   // all segments lie in [kNativeImageBase, end)
  uint64_t stacks = 0;                // section .xensim_stacks: address and size; 0 where there is none
  uint64_t stacks_bytes = 0;

  std::optional<uint64_t> find(std::string_view symbol) const;  // its vaddr
};

// Reads and checks a file: ET_DYN, EM_X86_64, no undefined symbol, no other relocation, nothing to initialise.
Result<NativeImage> read_native_image(std::string name, std::span<const std::byte> file);

// Memory that a run may change, and what it was like before the first.
struct WritableRange {
  uint64_t vaddr = 0;
  std::vector<std::byte> content;  // of its first bytes; zeros follow
  uint64_t bytes = 0;              // in all
};

// An image in place: vaddr V is at ram.data() + V. The caller owns `ram`, and makes it executable where segments say so
// (the whole of it is written here first, and by reset).
class NativeProgram {
 public:
  // `file` is what read_native_image was given. An error where the image does not fit into `ram`.
  static Result<NativeProgram> place(const NativeImage& image, std::span<const std::byte> file,
                                     std::span<std::byte> ram);

  // The address of an exported symbol; null where there is none of that name.
  std::byte* symbol(std::string_view name) const;

  // Writes all of the writable ranges back; the section .xensim_stacks and the rest of RAM stay as they are.
  void reset();

  // What reset writes; by address.
  const std::vector<WritableRange>& writable() const { return writable_; }
  const NativeImage& image() const { return image_; }

 private:
  NativeProgram(const NativeImage& image, std::span<std::byte> ram) : image_(image), ram_(ram) {}
  void keep(uint64_t begin, uint64_t end, uint64_t content_end);

  NativeImage image_;
  std::span<std::byte> ram_;
  std::vector<WritableRange> writable_;
};

}  // namespace xensim::pc
