// What is known of each translated block: how many instructions it holds, where each starts, and whether one of them
// needs the software CPU. The engine tells of a block's execution only its address and its size in bytes, so these two
// are the key.
#pragma once

#include <array>
#include <unordered_map>
#include <vector>

#include "models/x86/decode.h"

namespace xensim::x86 {

struct Block {
  static constexpr uint32_t kSlow = ~0u;  // charge of a block that must be looked at each time

  uint64_t pc = 0;  // linear address
  uint32_t size = 0;
  uint32_t charge = 0;     // instructions, or kSlow
  uint32_t count = 0;      // instructions
  uint32_t special = ~0u;  // index of the first instruction that the engine must not run by itself; ~0: none
  InstructionClass special_kind = InstructionClass::kPlain;
  bool ends_in_rep = false;       // the last instruction is a repeated string instruction
  uint8_t rep_address_bits = 0;   // its address size
  bool ambiguous = false;         // several different blocks have had this key: decode afresh each time
  std::vector<uint16_t> offsets;  // of each instruction from the block's start

  uint64_t rep_pc() const { return pc + offsets.back(); }
  bool starts_with_rep() const { return ends_in_rep && count == 1; }
  // Index of the instruction at `offset` bytes (the size: one past the last); nullopt: none starts there.
  std::optional<uint32_t> index_of(uint64_t offset) const;
};

class BlockTable {
 public:
  BlockTable();

  // A block was translated from `bytes`. `count` is the engine's own figure; 0: unknown.
  Block& add(uint64_t pc, std::span<const uint8_t> bytes, uint32_t count, CodeSize size);
  // A block as the fast path needs it.
  struct Slot {
    uint64_t key = 0;
    uint32_t charge = 0;
  };
  // Address and size in one: a linear address's upper 16 bits repeat bit 47. Never 0, as a block is never empty.
  static uint64_t slot_key(uint64_t pc, uint32_t size) { return pc << 16 | size; }
  const Slot& slot(uint64_t pc) const { return slots_[slot_index(pc)]; }
  Block* block_of(const Slot& slot) const { return slot_blocks_[static_cast<size_t>(&slot - slots_.data())]; }
  // nullptr: not known. Also fills the slot.
  Block* find(uint64_t pc, uint32_t size);
  // As find, by way of the slot where that has it.
  Block* lookup(uint64_t pc, uint32_t size) {
    const Slot& known = slot(pc);
    return known.key == slot_key(pc, size) ? block_of(known) : find(pc, size);
  }
  // As add, into a block of the caller's.
  void decode(Block& block, std::span<const uint8_t> bytes, uint32_t count, CodeSize size) const;
  const Decoder& decoder() const { return decoder_; }
  size_t entries() const { return blocks_.size(); }
  void clear();

 private:
  struct Key {
    uint64_t pc;
    uint32_t size;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const { return (key.pc ^ uint64_t{key.size} << 40) * 0x9e3779b97f4a7c15 >> 20; }
  };
  static constexpr size_t kSlots = 1 << 16;

  static size_t slot_index(uint64_t pc) { return (pc ^ pc >> 16) % kSlots; }

  Decoder decoder_;
  std::unordered_map<Key, Block, KeyHash> blocks_;
  std::vector<Slot> slots_;
  std::vector<Block*> slot_blocks_;  // of the slot of the same number
};

}  // namespace xensim::x86
