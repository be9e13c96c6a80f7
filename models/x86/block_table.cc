#include "models/x86/block_table.h"

#include <algorithm>

namespace xensim::x86 {

std::optional<uint32_t> Block::index_of(uint64_t offset) const {
  if (offset == size) return count;
  const auto it = std::lower_bound(offsets.begin(), offsets.end(), offset);
  if (it == offsets.end() || *it != offset) return std::nullopt;
  return static_cast<uint32_t>(it - offsets.begin());
}

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
    give_tag(block);
    return block;
  }
  Block fresh;
  decode(fresh, bytes, count, size);
  if (fresh.offsets != block.offsets || fresh.special != block.special || fresh.special_kind != block.special_kind ||
      fresh.ends_in_rep != block.ends_in_rep || fresh.rep_address_bits != block.rep_address_bits) {
    if (block.tag != 0) {
      former_.push_back(block);
      tagged_[index_of(block.tag)] = &former_.back();
    }
    block.tag = 0;
    block.ambiguous = true;
    block.charge = Block::kSlow;
  }
  return block;
}

void BlockTable::give_tag(Block& block) {
  const auto number = static_cast<uint32_t>(tagged_.size()) + kFirstNumber;
  const uint32_t above = block.charge == Block::kSlow ? 0 : block.charge + 1;
  if (number >> kNumberBits != 0 || above >> (32 - kNumberBits) != 0 || is_tag(block.size)) return;
  block.tag = above << kNumberBits | number;
  tagged_.push_back(&block);
}

Block* BlockTable::find(uint64_t pc, uint32_t size) {
  const auto it = blocks_.find({pc, size});
  return it == blocks_.end() ? nullptr : &it->second;
}

void BlockTable::clear() {
  blocks_.clear();
  former_.clear();
  tagged_.clear();
}

}  // namespace xensim::x86
