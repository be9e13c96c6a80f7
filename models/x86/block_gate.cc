#include "models/x86/block_gate.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>

#include "models/base/check.h"
#include "models/base/types.h"
#include "models/x86/block_gate_layout.h"
#include "models/x86/block_table.h"
#include "models/x86/code_mappings.h"

#if defined(__x86_64__)
// NOLINTBEGIN(readability-identifier-naming): labels of block_gate.S
extern "C" {
extern const unsigned char xensim_gate_begin[], xensim_gate_counted[], xensim_gate_repeated[], xensim_gate_end[];
extern const unsigned char xensim_gate_rdtsc[], xensim_gate_rdtscp[], xensim_gate_pause[], xensim_gate_sti[],
    xensim_gate_flags[], xensim_gate_iret_real[], xensim_gate_iret[], xensim_gate_sysret[], xensim_gate_store_8[],
    xensim_gate_store_16[], xensim_gate_store_32[], xensim_gate_store_64[];
}
// NOLINTEND(readability-identifier-naming)
#endif

namespace xensim::x86 {
namespace {

static_assert(GATE_NUMBER_BITS == BlockTable::kNumberBits && GATE_PAGE == kPageSize);
static_assert(offsetof(BlockGate::State, room) == GATE_ROOM && offsetof(BlockGate::State, last) == GATE_LAST &&
              offsetof(BlockGate::State, repeat_tag) == GATE_REPEAT_TAG &&
              offsetof(BlockGate::State, repeat_left) == GATE_REPEAT_LEFT &&
              offsetof(BlockGate::State, slow) == GATE_SLOW && offsetof(BlockGate::State, engine) == GATE_ENGINE &&
              offsetof(BlockGate::State, serve) == GATE_SERVE && offsetof(BlockGate::State, opens) == GATE_OPENS &&
              offsetof(BlockGate::State, waiting) == GATE_WAITING &&
              offsetof(BlockGate::State, stores) == GATE_STORES && offsetof(BlockGate::State, prove) == GATE_PROVE &&
              offsetof(BlockGate::State, code_pages) == GATE_CODE_PAGES);
static_assert(offsetof(BlockGate::State, functions.check) == GATE_CHECK &&
              offsetof(BlockGate::State, functions.rdtsc) == GATE_RDTSC &&
              offsetof(BlockGate::State, functions.rdtscp) == GATE_RDTSCP &&
              offsetof(BlockGate::State, functions.pause) == GATE_PAUSE &&
              offsetof(BlockGate::State, functions.lookup) == GATE_LOOKUP &&
              offsetof(BlockGate::State, functions.sti) == GATE_STI &&
              offsetof(BlockGate::State, functions.flags) == GATE_FLAGS &&
              offsetof(BlockGate::State, functions.iret_real) == GATE_IRET_REAL &&
              offsetof(BlockGate::State, functions.iret) == GATE_IRET &&
              offsetof(BlockGate::State, functions.sysret) == GATE_SYSRET &&
              offsetof(BlockGate::State, functions.store_8) == GATE_STORE_8 &&
              offsetof(BlockGate::State, functions.store_16) == GATE_STORE_16 &&
              offsetof(BlockGate::State, functions.store_32) == GATE_STORE_32 &&
              offsetof(BlockGate::State, functions.store_64) == GATE_STORE_64);

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
    state->slow(uc, pc, size_or_tag, state, __builtin_return_address(0));
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
  replacements_ = {.rdtsc = copied(xensim_gate_rdtsc),
                   .rdtscp = copied(xensim_gate_rdtscp),
                   .pause = state_->functions.lookup ? copied(xensim_gate_pause) : nullptr,
                   .sti = copied(xensim_gate_sti),
                   .flags = copied(xensim_gate_flags),
                   .iret_real = copied(xensim_gate_iret_real),
                   .iret = copied(xensim_gate_iret),
                   .sysret = copied(xensim_gate_sysret),
                   .store_8 = copied(xensim_gate_store_8),
                   .store_16 = copied(xensim_gate_store_16),
                   .store_32 = copied(xensim_gate_store_32),
                   .store_64 = copied(xensim_gate_store_64)};
  return true;
}

#else

bool BlockGate::move_near_code() { return false; }

#endif

BlockGate::BlockGate(const Program& program, const Engine::Functions& functions)
    : far_state_{.slow = program.slow,
                 .owner = program.owner,
                 .engine = program.engine,
                 .functions = functions,
                 .serve = program.serve,
                 .opens = program.opens,
                 .prove = program.prove,
                 .code_pages = program.code_pages} {
  if (!move_near_code()) hook_ = reinterpret_cast<const void*>(&far_hook);
}

BlockGate::~BlockGate() {
  if (pages_) munmap(pages_, 2 * kPageSize);
}

}  // namespace xensim::x86
