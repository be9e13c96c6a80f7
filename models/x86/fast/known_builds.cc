#include "models/x86/fast/known_builds.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <unicorn/unicorn.h>

#include <cstring>

#include "models/x86/fast/safe_read.h"

namespace xensim::x86 {
namespace {

// The NT_GNU_BUILD_ID of a PT_NOTE segment; empty: it has none.
std::string build_id_in(const unsigned char* note, size_t bytes) {
  constexpr uint32_t kBuildId = 3;
  const auto aligned = [](size_t size) { return (size + 3) & ~size_t{3}; };
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= bytes;) {
    ElfW(Nhdr) header;
    std::memcpy(&header, note + at, sizeof header);
    const size_t name = at + sizeof header, data = name + aligned(header.n_namesz);
    if (data + header.n_descsz > bytes) break;
    if (header.n_type == kBuildId && header.n_namesz == 4 && std::memcmp(note + name, "GNU", 4) == 0) {
      std::string digits;
      for (size_t i = 0; i < header.n_descsz; ++i) digits += fmt::format("{:02x}", note[data + i]);
      return digits;
    }
    at = data + aligned(header.n_descsz);
  }
  return {};
}

// Is `address` in the object, and what is its build-id?
int look_at_object(dl_phdr_info* info, size_t, void* found) {
  const auto address = reinterpret_cast<uintptr_t>(&uc_version);
  bool ours = false;
  for (unsigned i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    ours = ours || (segment.p_type == PT_LOAD && address >= begin && address < begin + segment.p_memsz);
  }
  if (!ours) return 0;
  auto& id = *static_cast<std::string*>(found);
  for (unsigned i = 0; i < info->dlpi_phnum && id.empty(); ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type == PT_NOTE)
      id = build_id_in(reinterpret_cast<const unsigned char*>(info->dlpi_addr + segment.p_vaddr), segment.p_memsz);
  }
  return 1;
}

}  // namespace

std::string engine_build_id() {
  std::string id;
  dl_iterate_phdr(&look_at_object, &id);
  return id;
}

std::string_view known_build(std::string_view build_id) {
#define XS_KNOWN_BUILD(id, what) \
  if (build_id == (id)) return what;
#include "models/x86/fast/known_builds.def"
#undef XS_KNOWN_BUILD
  return {};
}

std::string why_no_fast_paths(const std::string& build_id) {
#if !defined(__x86_64__)
  return "they are for x86-64 hosts";
#endif
  if (known_build(build_id).empty())
    return fmt::format("the engine's build {} is not in models/x86/fast/known_builds.def",
                       build_id.empty() ? "without a GNU build-id" : build_id);
  if (!can_read_safely()) return "process_vm_readv, by which guesses are proven, is not allowed";
  return {};
}

}  // namespace xensim::x86
