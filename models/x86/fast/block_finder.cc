#include "models/x86/fast/block_finder.h"

#include <algorithm>

#include "models/base/types.h"
#include "models/x86/state.h"

namespace xensim::x86 {
namespace {

// What the engine tells blocks apart by, of the flags register: IOPL, TF, RF, VM, AC.
constexpr uint64_t kFlagsOfBlocks = flag::kIopl | flag::kTf | flag::kRf | flag::kVm | flag::kAc;

const BlockNote* note_of(const void* code, uint64_t back) {
  return reinterpret_cast<const BlockNote*>(static_cast<const std::byte*>(code) - back);
}

}  // namespace

BlockFinder::BlockFinder(const EnvLayout& layout, EngineTlb& tlb, const CallSites& sites, const void* ask)
    : layout_(layout), tlb_(tlb), sites_(sites), ask_(reinterpret_cast<Ask>(reinterpret_cast<uintptr_t>(ask))) {}

void BlockFinder::on_new_code(uint64_t code) {
  if (code < newest_) forget_code();
  newest_ = code;
}

void BlockFinder::forget() {
  if (++age_ != 0) return;
  std::fill(found_.begin(), found_.end(), Near{});
  age_ = 1;
}

void BlockFinder::forget_code() {
  forget();
  newest_ = 0;
}

void BlockFinder::use(std::byte* env) {
  found_.resize(size_t{1} << kBits);
  env_ = env;
  const std::byte* const base = env - layout_.regs;
  state_.rip = reinterpret_cast<const uint64_t*>(base + layout_.rip);
  state_.rflags = reinterpret_cast<const uint64_t*>(base + layout_.rflags);
  state_.code_base = reinterpret_cast<const uint64_t*>(base + layout_.seg + 24 * kCs + 8);
  state_.hflags = reinterpret_cast<const uint32_t*>(base + layout_.hflags);
}

inline uint32_t BlockFinder::flags() const {
  return *state_.hflags | static_cast<uint32_t>(*state_.rflags & kFlagsOfBlocks);
}

// The physical page that the address is in; nothing: only the engine can say.
inline std::optional<uint32_t> BlockFinder::frame_of(uint64_t pc, uint32_t flags) {
  const bool no_smap = !(flags & x86::State::kSmap) || (flags & flag::kAc);
  const unsigned use = (flags & 3) == 3 ? EngineTlb::kUser
                       : no_smap        ? EngineTlb::kKernelWithoutSmap
                                        : EngineTlb::kKernel;
  const EngineTlb::Entry& entry = EngineTlb::entry(env_, pc, use);
  if (entry.code != (pc & ~(kPageSize - 1)) && !tlb_.fill(env_, pc, use, Access::kExecute)) return std::nullopt;
  return static_cast<uint32_t>(entry.physical >> kPageShift);
}

const void* BlockFinder::find(std::byte* env) {
  if (env != env_) return ask(env);
  const uint64_t pc = *state_.rip, wanted = where(pc);
  for (const Found& found : near(pc).blocks) {
    if (found.where != wanted) continue;
    const uint32_t now = flags();
    if (flags_[found.flags] != now || *state_.code_base != 0) continue;
    const auto* code = reinterpret_cast<const void*>(sites_.code_begin() + found.code * kCodeUnit);
    const std::optional<uint32_t> frame = frame_of(pc, now);
    if (frame && *frame == found.frame && note_of(code, back_)->state == good_) return code;
  }
  const void* code = ask(env);
  learn(code);
  return code;
}

const void* BlockFinder::ask(std::byte* env) {
  ++asked_;
  return ask_(env);
}

// Where it is one too many, all are forgotten.
uint8_t BlockFinder::index_of(uint32_t flags) {
  const auto end = flags_.begin() + static_cast<ptrdiff_t>(flags_known_), at = std::find(flags_.begin(), end, flags);
  if (at != end) return static_cast<uint8_t>(at - flags_.begin());
  if (flags_known_ == flags_.size()) {
    flags_known_ = 0;
    forget();
  }
  flags_[flags_known_] = flags;
  return static_cast<uint8_t>(flags_known_++);
}

// Code that is not flat is left to the engine, and blocks that lie in two pages, for it looks at the second one too.
void BlockFinder::learn(const void* code) {
  const uint64_t at = reinterpret_cast<uintptr_t>(code), begin = sites_.code_begin();
  if (at < begin || at >= sites_.code_end() || *state_.code_base != 0 || (at - begin) % kCodeUnit != 0) return;
  constexpr uint64_t kMost = (1 << 28) - 1;
  const uint64_t pc = *state_.rip;
  const uint32_t now = flags();
  const BlockNote* note = BlockNote::find(code, pc, 0, begin);
  if (!note || note->cs_base != 0 || note->flags != now) return;
  if (pc % kPageSize + note->bytes > kPageSize) return;
  const uint64_t back = at - reinterpret_cast<uintptr_t>(note), unit = (at - begin) / kCodeUnit;
  if (back_ == 0) {
    back_ = back;
    good_ = note->state;
  }
  const std::optional<uint32_t> frame = frame_of(pc, now);
  if (!frame || back != back_ || note->state != good_ || *frame > kMost || unit > kMost) return;
  const uint8_t index = index_of(now);
  auto& blocks = near(pc).blocks;
  auto* place = std::find_if(blocks.begin(), blocks.end(), [&](const Found& each) {
    return (each.where & 0xffff) != age_ || (each.where == where(pc) && each.flags == index && each.frame == *frame);
  });
  if (place == blocks.end()) place = &blocks[next_++ % blocks.size()];
  *place = {.where = where(pc), .frame = *frame & kMost, .flags = index, .code = unit & kMost};
}

}  // namespace xensim::x86
