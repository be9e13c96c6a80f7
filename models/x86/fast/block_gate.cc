#include "models/x86/fast/block_gate.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>

#include "models/base/check.h"
#include "models/base/types.h"
#include "models/x86/block_table.h"
#include "models/x86/fast/block_gate_layout.h"

#if defined(__x86_64__)
// NOLINTBEGIN(readability-identifier-naming): labels of block_gate.S
extern "C" {
extern const unsigned char xensim_gate_begin[], xensim_gate_counted[], xensim_gate_repeated[], xensim_gate_end[];
#define XS_REPLACED_FUNCTION(name, symbol) extern const unsigned char xensim_gate_##name[];
#include "models/x86/engine/engine_functions.def"
}
// NOLINTEND(readability-identifier-naming)
#endif

namespace xensim::x86 {
namespace {

static_assert(GATE_NUMBER_BITS == BlockTable::kNumberBits && GATE_PAGE == kPageSize);
#define XS_AT(member, place) static_assert(offsetof(BlockGate::State, member) == (place))
XS_AT(count.room, GATE_ROOM);
XS_AT(count.last, GATE_LAST);
XS_AT(count.repeat_tag, GATE_REPEAT_TAG);
XS_AT(count.repeat_left, GATE_REPEAT_LEFT);
XS_AT(count.waiting, GATE_WAITING);
XS_AT(tlb_known, GATE_TLB_KNOWN);
XS_AT(program.engine, GATE_ENGINE);
XS_AT(program.slow, GATE_SLOW);
XS_AT(program.serve, GATE_SERVE);
XS_AT(program.opens, GATE_OPENS);
XS_AT(program.prove, GATE_PROVE);
XS_AT(program.code_pages, GATE_CODE_PAGES);
XS_AT(program.find, GATE_FIND);
XS_AT(program.fill, GATE_FILL);
XS_AT(functions, GATE_FUNCTIONS);
#undef XS_AT

#if defined(__x86_64__)

// Fresh pages from which, and from all of `code`, each byte of the other is within a signed 32-bit distance. The first
// free place, in a fixed order: below, then above. nullptr: there is none.
void* pages_near(const CodeMapping& code, size_t bytes) {
  constexpr uint64_t kReach = (uint64_t{1} << 31) - (1 << 20), kStep = 1 << 20;
  if (code.begin >= code.end || code.end - code.begin + bytes > kReach) return nullptr;
  const auto take = [&](uint64_t at) -> void* {
    void* const wanted = reinterpret_cast<void*>(at);
    void* pages = mmap(wanted, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (pages == wanted) return pages;
    if (pages != MAP_FAILED) munmap(pages, bytes);
    return nullptr;
  };
  const uint64_t farthest = kReach - (code.end - code.begin) - bytes;
  for (uint64_t below = bytes; below < farthest && below < code.begin; below += kStep)
    if (void* const pages = take(code.begin - below)) return pages;
  for (uint64_t above = 0; above < farthest; above += kStep)
    if (void* const pages = take(code.end + above)) return pages;
  return nullptr;
}

#endif

}  // namespace

#if defined(__x86_64__)

bool BlockGate::move_near(const CodeMapping& near) {
  if (!far_state_.functions.check) return false;
  void* pages = pages_near(near, 2 * kPageSize);
  if (!pages) return false;
  auto* code = static_cast<unsigned char*>(pages) + kPageSize;
  const auto bytes = static_cast<size_t>(xensim_gate_end - xensim_gate_begin);
  XS_CHECK(bytes <= kPageSize);
  std::memcpy(code, xensim_gate_begin, bytes);
  if (mprotect(code, kPageSize, PROT_READ | PROT_EXEC) != 0) {
    munmap(pages, 2 * kPageSize);
    return false;
  }
  pages_ = pages;
  state_ = new (pages) State(far_state_);
  hook_ = code;
  const auto copied = [&](const unsigned char* at) { return code + (at - xensim_gate_begin); };
  counted_ = copied(xensim_gate_counted);
  repeated_ = copied(xensim_gate_repeated);
#define XS_REPLACED_FUNCTION(name, symbol) replacements_.name = copied(xensim_gate_##name);
#include "models/x86/engine/engine_functions.def"
  if (!state_->functions.lookup) replacements_.pause = nullptr;
  if (!state_->program.find) replacements_.lookup = nullptr;
  return true;
}

#else

bool BlockGate::move_near(const CodeMapping&) { return false; }

#endif

BlockGate::BlockGate(const Program& program, const Engine::Functions& functions, const CodeMapping& code)
    : far_state_{.count = {}, .program = program, .functions = functions} {
  move_near(code);
}

BlockGate::~BlockGate() {
  if (pages_) munmap(pages_, 2 * kPageSize);
}

}  // namespace xensim::x86
