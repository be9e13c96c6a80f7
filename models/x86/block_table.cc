#include "models/x86/block_table.h"

#include <algorithm>

namespace xensim::x86 {

std::optional<uint32_t> Block::index_of(uint64_t offset) const {
  if (offset == size) return count;
  const auto it = std::lower_bound(offsets.begin(), offsets.end(), offset);
  if (it == offsets.end() || *it != offset) return std::nullopt;
  return static_cast<uint32_t>(it - offsets.begin());
}

BlockTable::BlockTable() : slots_(kSlots), slot_blocks_(kSlots) {}

void BlockTable::decode(Block& block, std::span<const uint8_t> bytes, uint32_t count, CodeSize size) const {
  block.offsets.clear();
  block.special = ~0u;
  block.special_kind = InstructionClass::kPlain;
  block.ends_in_rep = false;
  size_t at = 0;
  while (at < bytes.size() && (count == 0 || block.offsets.size() < count)) {
    const Instruction instruction = decoder_.decode(bytes.subspan(at), size);
    const auto index = static_cast<uint32_t>(block.offsets.size());
    block.offsets.push_back(static_cast<uint16_t>(at));
    const bool special = instruction.kind == InstructionClass::kPortIo ||
                         instruction.kind == InstructionClass::kForbidden ||
                         instruction.kind == InstructionClass::kIcebp;
    if (special && block.special == ~0u) {
      block.special = index;
      block.special_kind = instruction.kind;
    }
    block.ends_in_rep = instruction.kind == InstructionClass::kRepString;
    block.rep_address_bits = instruction.address_bits;
    // What Capstone does not know can only be a block's last instruction: an invalid opcode ends the block.
    if (instruction.length == 0) break;
    at += instruction.length;
  }
  block.count = static_cast<uint32_t>(block.offsets.size());
  block.charge = block.special != ~0u || block.ends_in_rep || block.ambiguous ? Block::kSlow : block.count;
}

Block& BlockTable::add(uint64_t pc, std::span<const uint8_t> bytes, uint32_t count, CodeSize size) {
  const auto length = static_cast<uint32_t>(bytes.size());
  const auto [it, inserted] = blocks_.try_emplace({pc, length});
  Block& block = it->second;
  if (inserted) {
    block.pc = pc;
    block.size = length;
    decode(block, bytes, count, size);
    return block;
  }
  Block fresh;
  decode(fresh, bytes, count, size);
  if (fresh.offsets != block.offsets || fresh.special != block.special || fresh.special_kind != block.special_kind ||
      fresh.ends_in_rep != block.ends_in_rep || fresh.rep_address_bits != block.rep_address_bits) {
    block.ambiguous = true;
    block.charge = Block::kSlow;
    slots_[slot_index(pc)] = {};
  }
  return block;
}

Block* BlockTable::find(uint64_t pc, uint32_t size) {
  const auto it = blocks_.find({pc, size});
  if (it == blocks_.end()) return nullptr;
  Block& block = it->second;
  if (!block.ambiguous && size >> 16 == 0) {
    slots_[slot_index(pc)] = {slot_key(pc, size), block.charge};
    slot_blocks_[slot_index(pc)] = &block;
  }
  return &block;
}

void BlockTable::clear() {
  blocks_.clear();
  std::fill(slots_.begin(), slots_.end(), Slot{});
}

}  // namespace xensim::x86
