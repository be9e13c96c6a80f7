// Which memory an instruction reads and writes, found before it runs: for what the processor checks of it and the
// engine does not (segment limits, non-canonical stacks, data breakpoints).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/x86/state.h"

struct cs_insn;

namespace xensim::x86 {

struct MemoryOperand {
  unsigned segment = kDs;
  uint64_t offset = 0;  // in the segment
  uint64_t linear = 0;
  unsigned bytes = 0;
  bool read = false, write = false;
};

// Is all of the operand inside its segment (SDM vol. 3, 5.3), or canonical in 64-bit mode?
bool within_segment(const State& state, const MemoryOperand& operand);

// Decodes with Capstone; owns its handles.
class OperandDecoder {
 public:
  OperandDecoder();
  ~OperandDecoder();
  OperandDecoder(const OperandDecoder&) = delete;
  OperandDecoder& operator=(const OperandDecoder&) = delete;

  // `bytes`: the code at RIP; `state`: before the instruction. Explicit operands and the stack's, in the order of the
  // instruction; of a repeated string instruction those of one iteration, none where its count is zero. Not those of
  // descriptors, of interrupt frames, of FXSAVE's and the like beyond their size as Capstone has it. Empty too where
  // the instruction is not known.
  std::vector<MemoryOperand> operands(std::span<const uint8_t> bytes, const State& state) const;

 private:
  size_t handles_[3]{};
  cs_insn* instruction_ = nullptr;
};

}  // namespace xensim::x86
