#include "models/x86/page_walk.h"

#include <array>
#include <cstring>

namespace xensim::x86 {
namespace {

constexpr uint64_t kPresent = 1, kWrite = 2, kUser = 4, kAccessed = 0x20, kDirty = 0x40, kLarge = 0x80;
constexpr uint64_t kNoExecute = uint64_t{1} << 63;
constexpr uint64_t kAddress = 0x000ffffffffff000, kBeyondPhysical = kAddress & ~(kPhysicalEnd - 1);

// Of an entry of 8 bytes that maps `shift` bits; `large`: to a page. The engine's processor has no 1 GiB pages.
uint64_t reserved_bits(unsigned shift, bool large, bool nxe) {
  const uint64_t in_any = kBeyondPhysical | (nxe ? 0 : kNoExecute) | (shift > 21 ? kLarge : 0);
  return large ? in_any | 0x1fe000 : in_any;
}

struct Walk {
  PhysicalMemory& memory;
  const State& state;
  uint64_t linear;
  const WalkRequest& request;

  bool nxe() const { return (state.efer() & efer::kNxe) != 0; }

  WalkResult fault(uint32_t code) const {
    if (request.access == Access::kWrite) code |= pf::kWrite;
    if (request.user) code |= pf::kUser;
    // The fetch bit is reported only where a fetch can be forbidden.
    if (request.access == Access::kExecute && (nxe() || (state.cr(4) & cr4::kSmep))) code |= pf::kFetch;
    return {false, 0, code};
  }

  // The rights that all levels together give: `rights` is the AND of U/S and R/W, `nx` the OR of XD.
  bool allowed(uint64_t rights, bool nx) const {
    const bool user_page = (rights & kUser) != 0, writable = (rights & kWrite) != 0;
    const uint64_t control = state.cr(4);
    if (request.access == Access::kExecute) {
      if (nx) return false;
      return request.user ? user_page : !(user_page && (control & cr4::kSmep));
    }
    if (request.user) return user_page && (writable || request.access == Access::kRead);
    const bool smap = (control & cr4::kSmap) && !(request.explicit_access && (state.rflags() & flag::kAc));
    if (user_page && smap) return false;
    return request.access == Access::kRead || writable || !(state.cr(0) & cr0::kWp);
  }

  void mark(uint64_t at, uint64_t entry, unsigned bytes, bool leaf) const {
    const uint64_t bits = kAccessed | (leaf && request.access == Access::kWrite ? kDirty : 0);
    if (!request.set_bits || (entry & bits) == bits) return;
    const uint64_t marked = entry | bits;
    memory.write(at, &marked, bytes);
  }
};

// 4-level and PAE paging: entries of 8 bytes.
WalkResult walk_wide(const Walk& w, uint64_t table, int level) {
  struct Seen {
    uint64_t at, entry;
  };
  std::array<Seen, 4> path{};
  size_t depth = 0;
  uint64_t rights = kUser | kWrite;
  bool nx = false;
  const bool pae = level == 2;  // the 4 entries of PAE's first table have no rights
  for (;; --level) {
    const unsigned shift = 12 + 9 * static_cast<unsigned>(level);
    const uint64_t index = w.linear >> shift & (pae && level == 2 ? 3 : 0x1ff);
    const uint64_t at = table + 8 * index, entry = w.memory.read(at, 8);
    if (!(entry & kPresent)) return w.fault(0);
    const bool first_of_pae = pae && level == 2;
    const bool large = !first_of_pae && level > 0 && (entry & kLarge);
    uint64_t reserved = reserved_bits(shift, large, w.nxe());
    if (pae) reserved |= 0x7ff0000000000000;
    if (first_of_pae) reserved |= kNoExecute | 0x1e6;
    if (entry & reserved) return w.fault(pf::kPresent | pf::kReserved);
    if (!first_of_pae) {
      rights &= entry;
      nx |= w.nxe() && (entry & kNoExecute);
      path[depth++] = {at, entry};
    }
    if (level == 0 || large) {
      if (!w.allowed(rights, nx)) return w.fault(pf::kPresent);
      for (size_t i = 0; i < depth; ++i) w.mark(path[i].at, path[i].entry, 8, i + 1 == depth);
      const uint64_t offset_mask = (uint64_t{1} << shift) - 1;
      return {true, (entry & kAddress & ~offset_mask) | (w.linear & offset_mask), 0};
    }
    table = entry & kAddress;
  }
}

// 32-bit paging: entries of 4 bytes, 4 MiB pages under CR4.PSE.
WalkResult walk_narrow(const Walk& w) {
  const uint64_t pde_at = (w.state.cr(3) & 0xfffff000) + (w.linear >> 22 & 0x3ff) * 4, pde = w.memory.read(pde_at, 4);
  if (!(pde & kPresent)) return w.fault(0);
  if ((pde & kLarge) && (w.state.cr(4) & cr4::kPse)) {
    if (pde & 0x200000) return w.fault(pf::kPresent | pf::kReserved);
    if (!w.allowed(pde, false)) return w.fault(pf::kPresent);
    w.mark(pde_at, pde, 4, true);
    const uint64_t base = (pde & 0xffc00000) | (pde & 0x1fe000) << 19;  // PSE-36: bits 20:13 are bits 39:32
    return {true, base | (w.linear & 0x3fffff), 0};
  }
  const uint64_t pte_at = (pde & 0xfffff000) + (w.linear >> 12 & 0x3ff) * 4, pte = w.memory.read(pte_at, 4);
  if (!(pte & kPresent)) return w.fault(0);
  if (!w.allowed(pde & pte, false)) return w.fault(pf::kPresent);
  w.mark(pde_at, pde, 4, false);
  w.mark(pte_at, pte, 4, true);
  return {true, (pte & 0xfffff000) | (w.linear & 0xfff), 0};
}

}  // namespace

std::optional<Leaf> find_leaf(const PhysicalMemory& memory, uint64_t cr3, bool nxe, uint64_t linear) {
  if (const int64_t top = static_cast<int64_t>(linear) >> 47; top != 0 && top != -1) return std::nullopt;
  uint64_t table = cr3 & kAddress, all = ~uint64_t{0}, any = 0;
  for (unsigned shift = 39;; shift -= 9) {
    const std::byte* const host = memory.ram(table + 8 * (linear >> shift & 0x1ff));
    if (!host) return std::nullopt;
    uint64_t entry;
    std::memcpy(&entry, host, sizeof entry);
    const bool large = shift == 21 && (entry & kLarge);
    constexpr uint64_t kNeeded = kPresent | kAccessed;
    if ((entry & kNeeded) != kNeeded || (entry & reserved_bits(shift, large, nxe))) return std::nullopt;
    all &= entry;
    any |= entry;
    if (shift == 12 || large) {
      const uint64_t bytes = uint64_t{1} << shift;
      return Leaf{.gpa = (entry & kAddress & ~(bytes - 1)) | (linear & (bytes - 1)),
                  .bytes = bytes,
                  .user = (all & kUser) != 0,
                  .writable = (all & kWrite) != 0,
                  .no_execute = (any & kNoExecute) != 0,
                  .dirty = (entry & kDirty) != 0};
    }
    table = entry & kAddress;
  }
}

WalkResult walk(PhysicalMemory& memory, const State& state, uint64_t linear, const WalkRequest& request) {
  if (!state.long_mode()) linear &= 0xffffffff;
  if (!(state.cr(0) & cr0::kPg)) return {true, linear & 0xffffffff, 0};
  const Walk w{memory, state, linear, request};
  if (state.long_mode()) return walk_wide(w, state.cr(3) & kAddress, 3);
  if (state.cr(4) & cr4::kPae) return walk_wide(w, state.cr(3) & 0xffffffe0, 2);
  return walk_narrow(w);
}

}  // namespace xensim::x86
