// A block's own code, made to count itself and to ask less.
//
// A block that the engine has translated begins with a call of its hook, with four arguments, and a call of the
// engine's check for a request to stop; the latter stands behind each access to memory too. Where the block's call was
// numbered (call_site.h), both at its beginning become four instructions which do as the gate does, and call it where
// the block has no room. The gate makes the check, and it alone: uc_emu_stop takes away the room, so that the
// next block calls the gate. The other checks are taken out.
//
// As with call_site.h, what is not exactly as expected is left as it is, and works so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "models/x86/fast/block_gate.h"
#include "models/x86/fast/code_reader.h"

namespace xensim::x86 {

class BlockCode {
 public:
  explicit BlockCode(const BlockGate& gate);

  // How a block counts: its charge, each iteration that it was given, or by the gate.
  enum class Counting { kCharge, kIterations, kGate };
  struct Call {
    const uint8_t* returns_to;  // behind the call of the hook, which comes with `tag`
    uint64_t pc;                // of the block
    uint32_t tag;
    Counting counting;
  };
  // Rewrites the block around the call, which is under way and lies in [code_begin, code_end). Where it goes on from
  // there.
  const uint8_t* rewrite(const Call& call, uint64_t code_begin, uint64_t code_end);
  // Blocks that count themselves by now.
  uint64_t rewritten() const { return rewritten_; }
  // Has each block that was given call the gate where it may set IF?
  bool all_reworked() const { return all_reworked_; }

 private:
  std::span<uint8_t> beginning(const Call& call) const;
  std::optional<uint64_t> target_of(CodeReader& code, uint8_t near, uint8_t far) const;
  std::optional<uint64_t> called(CodeReader& code) const;
  bool passes_engine(CodeReader& code) const;
  const uint8_t* check_before(const uint8_t* end) const;
  const uint8_t* check_behind(const uint8_t* begin) const;
  void write_beginning(std::span<uint8_t> place, const Call& call) const;
  bool rework(std::span<uint8_t> code) const;
  bool rework_call(uint8_t* at, size_t bytes) const;
  void rework_store(uint8_t* at, size_t bytes) const;

  const BlockGate& gate_;
  struct Redirected {
    const void *from, *to;
    uint8_t load;  // opcode of the load of the last argument, a constant; 0: the state is the only one
  };
  std::array<Redirected, 9> redirected_;
  std::array<std::pair<const void*, const void*>, 4> loads_, stores_;  // from, to
  uint64_t code_begin_ = 0, code_end_ = 0;                             // of the last rewrite(): nothing else is read
  bool all_reworked_ = true;
  uint64_t rewritten_ = 0;
};

}  // namespace xensim::x86
