#include "models/x86/block_gate.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>

#include "models/x86/block_table.h"
#include "models/x86/code_mappings.h"

namespace xensim::x86 {
namespace {

// The same as the instructions below.
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

constexpr uint8_t kCode[] = {
    0x89, 0xd0,                           // mov %edx, %eax
    0xc1, 0xe8, BlockTable::kNumberBits,  // shr $kNumberBits, %eax
    0x83, 0xe8, 0x01,                     // sub $1, %eax
    0x4c, 0x8b, 0x01,                     // mov (%rcx), %r8
    0x49, 0x29, 0xc0,                     // sub %rax, %r8
    0x72, 0x07,                           // jb 1f
    0x4c, 0x89, 0x01,                     // mov %r8, (%rcx)
    0x89, 0x51, 0x08,                     // mov %edx, 8(%rcx)
    0xc3,                                 // ret
    0x3b, 0x51, 0x0c,                     // 1: cmp 12(%rcx), %edx
    0x75, 0x16,                           // jne 2f
    0x4c, 0x8b, 0x41,
    0x10,  // mov 16(%rcx), %r8
    0x49, 0x83, 0xe8,
    0x01,        // sub $1, %r8
    0x72, 0x0c,  // jb 2f
    0x4c, 0x89, 0x41,
    0x10,  // mov %r8, 16(%rcx)
    0xc7, 0x41, 0x08,
    0xff, 0xff, 0xff,
    0xff,  // movl $kRepeat, 8(%rcx)
    0xc3,  // ret
    0x4c, 0x8b, 0x04,
    0x24,              // 2: mov (%rsp), %r8
    0xff, 0x61, 0x18,  // jmp *24(%rcx)
};
static_assert(offsetof(BlockGate::State, room) == 0 && offsetof(BlockGate::State, last) == 8 &&
              offsetof(BlockGate::State, repeat_tag) == 12 && offsetof(BlockGate::State, repeat_left) == 16 &&
              offsetof(BlockGate::State, slow) == 24);

// A fresh page right below the engine's code; nullptr: there is none to be had.
void* page_near_code(size_t bytes) {
  const auto mappings = code_mappings();
  if (mappings.empty()) return nullptr;
  // The lowest is the newest: addresses are given out downwards.
  void* wanted = reinterpret_cast<void*>(mappings.front().begin - bytes);
  void* page = mmap(wanted, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (page == wanted) return page;
  munmap(page, bytes);
  return nullptr;
}

void* near_hook() {
  void* page = page_near_code(kPageSize);
  if (!page) return nullptr;
  std::memcpy(page, kCode, sizeof kCode);
  if (mprotect(page, kPageSize, PROT_READ | PROT_EXEC) == 0) return page;
  munmap(page, kPageSize);
  return nullptr;
}

#else

void* near_hook() { return nullptr; }

#endif

}  // namespace

BlockGate::BlockGate(void* owner, Slow slow) : state_{0, 0, 0, 0, slow, owner}, page_(near_hook()) {
  hook_ = page_ ? page_ : reinterpret_cast<void*>(&far_hook);
}

BlockGate::~BlockGate() {
  if (page_) munmap(page_, kPageSize);
}

}  // namespace xensim::x86
