// What is known of each translated block: how many instructions it holds, where each starts, and whether one of them
// needs the software CPU. The engine tells of a block's execution only its address and its size in bytes, so these two
// are the key. A block has a tag besides, which stands for it alone for as long as its translation lives: call_site.h
// says where that is kept.
#pragma once

#include <deque>
#include <unordered_map>
#include <vector>

#include "models/x86/decode.h"

namespace xensim::x86 {

struct Block {
  static constexpr uint32_t kSlow = ~0u;  // charge of a block that must be looked at each time
  static constexpr uint32_t kNone = ~0u;  // of `special`

  uint64_t pc = 0;  // linear address
  uint32_t size = 0;
  uint32_t charge = 0;       // instructions, or kSlow
  uint32_t count = 0;        // instructions
  uint32_t special = kNone;  // index of the first instruction that the engine must not run by itself
  InstructionClass special_kind = InstructionClass::kPlain;
  bool ends_in_rep = false;       // the last instruction is a repeated string instruction
  uint8_t rep_address_bits = 0;   // its address size
  bool ambiguous = false;         // several different blocks have had this key: decode afresh each time
  uint32_t tag = 0;               // 0: it has none
  std::vector<uint16_t> offsets;  // of each instruction from the block's start

  uint64_t rep_pc() const { return pc + offsets.back(); }
  bool starts_with_rep() const { return ends_in_rep && count == 1; }
  // Index of the instruction at `offset` bytes (the size: one past the last); nullopt: none starts there.
  std::optional<uint32_t> index_of(uint64_t offset) const;
};

class BlockTable {
 public:
  // A block was translated from `bytes`. `count` is the engine's own figure; 0: unknown.
  Block& add(uint64_t pc, std::span<const uint8_t> bytes, uint32_t count, CodeSize size);
  // A tag is a block's number, and above it one more than the block's charge; nothing above it where the block must be
  // looked at each time. Numbers begin where the sizes of blocks have ended. What has nothing above it has a charge
  // that nothing reaches.
  static constexpr unsigned kNumberBits = 22;
  static constexpr uint32_t kFirstNumber = 1 << 14;
  static bool is_tag(uint32_t size_or_tag) { return size_or_tag >= kFirstNumber; }
  static uint32_t charge_of(uint32_t tag) { return (tag >> kNumberBits) - 1; }
  Block& block_of(uint32_t tag) { return *tagged_[index_of(tag)]; }
  // nullptr: not known.
  Block* find(uint64_t pc, uint32_t size);
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
  static size_t index_of(uint32_t tag) { return (tag & ((1u << kNumberBits) - 1)) - kFirstNumber; }
  void give_tag(Block& block);

  Decoder decoder_;
  std::unordered_map<Key, Block, KeyHash> blocks_;
  std::deque<Block> former_;    // blocks whose key became ambiguous, as their tags know them
  std::vector<Block*> tagged_;  // by number
};

}  // namespace xensim::x86
