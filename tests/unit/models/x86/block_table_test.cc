// Blocks by address and size, and by their tags.
#include "models/x86/block_table.h"

#include <doctest/doctest.h>

using namespace xensim::x86;

namespace {

constexpr uint8_t kFourNops[] = {0x90, 0x90, 0x90, 0x90};
constexpr uint8_t kOneNop[] = {0x0f, 0x1f, 0x40, 0x00};
constexpr uint8_t kOutAndNop[] = {0x90, 0x90, 0xe6, 0x80};

Block& add(BlockTable& table, uint64_t pc, std::span<const uint8_t> code) {
  return table.add(pc, code, 0, CodeSize::k64);
}

}  // namespace

TEST_CASE("a block's tag stands for the block and holds its charge") {
  BlockTable table;
  const Block& four = add(table, 0x1000, kFourNops);
  const Block& one = add(table, 0x2000, kOneNop);
  CHECK(BlockTable::is_tag(four.tag));
  CHECK(BlockTable::charge_of(four.tag) == 4);
  CHECK(BlockTable::charge_of(one.tag) == 1);
  CHECK(&table.block_of(four.tag) == &four);
  CHECK(&table.block_of(one.tag) == &one);
  CHECK(table.find(0x1000, 4) == &four);
  CHECK(table.find(0x1000, 3) == nullptr);
}

TEST_CASE("a block that must be looked at has a tag whose charge is out of reach, as a size's is") {
  BlockTable table;
  const Block& out = add(table, 0x1000, kOutAndNop);
  CHECK(out.special == 2);
  CHECK(BlockTable::is_tag(out.tag));
  CHECK(BlockTable::charge_of(out.tag) == ~0u);
  CHECK(&table.block_of(out.tag) == &out);
  for (const uint32_t size : {1u, 4u, 512u * 15}) {
    CHECK_FALSE(BlockTable::is_tag(size));
    CHECK(BlockTable::charge_of(size) == ~0u);
  }
}

TEST_CASE("where the same address and size come to mean another block, a tag still means the first") {
  BlockTable table;
  const uint32_t tag = add(table, 0x1000, kFourNops).tag;
  const Block& now = add(table, 0x1000, kOneNop);
  CHECK(now.ambiguous);
  CHECK(now.tag == 0);
  const Block& then = table.block_of(tag);
  CHECK(&then != &now);
  CHECK_FALSE(then.ambiguous);
  CHECK(then.count == 4);
  CHECK(then.index_of(3) == 3);
  add(table, 0x1000, kFourNops);
  CHECK(&table.block_of(tag) == &then);
}
