#include "models/x86/fast/block_gate.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>

#include "models/base/check.h"
#include "models/base/types.h"
#include "models/x86/block_table.h"
#include "models/x86/fast/block_gate_layout.h"
#include "models/x86/fast/code_mappings.h"

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
XS_AT(room, GATE_ROOM);
XS_AT(last, GATE_LAST);
XS_AT(repeat_tag, GATE_REPEAT_TAG);
XS_AT(repeat_left, GATE_REPEAT_LEFT);
XS_AT(waiting, GATE_WAITING);
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

// The same as block_gate.S; the engine's own check comes after it, in the block.
void far_hook(void* uc, uint64_t pc, uint32_t size_or_tag, BlockGate::State* state) {
  const uint32_t charge = BlockTable::charge_of(size_or_tag);
  if (charge <= state->room) {
    state->room -= charge;
    state->last = size_or_tag;
  } else if (size_or_tag == state->repeat_tag && state->repeat_left != 0) {
    --state->repeat_left;
    state->last = BlockGate::kRepeat;
  } else {
    state->program.slow(uc, pc, size_or_tag, state, __builtin_return_address(0));
  }
}

#if defined(__x86_64__)

void nothing_to_check(void*, uint32_t) {}

// Fresh pages below the engine's code, within reach of all of it; nullptr: there are none to be had.
void* pages_near_code(size_t bytes) {
  constexpr uint64_t kStep = 1 << 20, kFarthest = 256 << 20;
  const auto mappings = code_mappings();
  if (mappings.empty()) return nullptr;
  // The lowest is the newest: addresses are given out downwards.
  for (uint64_t below = 0; below < kFarthest; below += kStep) {
    void* wanted = reinterpret_cast<void*>(mappings.front().begin - bytes - below);
    void* pages = mmap(wanted, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (pages == wanted) return pages;
    if (pages != MAP_FAILED) munmap(pages, bytes);
  }
  return nullptr;
}

#endif

}  // namespace

#if defined(__x86_64__)

bool BlockGate::move_near_code() {
  void* pages = pages_near_code(2 * kPageSize);
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
  if (!state_->functions.check) {
    state_->functions.check = reinterpret_cast<const void*>(&nothing_to_check);
    return true;
  }
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

bool BlockGate::move_near_code() { return false; }

#endif

BlockGate::BlockGate(const Program& program, const Engine::Functions& functions)
    : far_state_{.program = program, .functions = functions} {
  if (!move_near_code()) hook_ = reinterpret_cast<const void*>(&far_hook);
}

BlockGate::~BlockGate() {
  if (pages_) munmap(pages_, 2 * kPageSize);
}

}  // namespace xensim::x86
