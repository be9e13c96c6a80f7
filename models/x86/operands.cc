#include "models/x86/operands.h"

#include <capstone/capstone.h>

#include "models/base/check.h"
#include "models/x86/decode.h"

namespace xensim::x86 {
namespace {

constexpr cs_mode kModes[3] = {CS_MODE_16, CS_MODE_32, CS_MODE_64};

constexpr uint64_t mask_of(unsigned bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

struct RegisterRow {
  unsigned id;
  unsigned gpr;
  unsigned bits;
};
constexpr RegisterRow kRegisters[] = {
    {X86_REG_RAX, kRax, 64},  {X86_REG_RCX, kRcx, 64},  {X86_REG_RDX, kRdx, 64},  {X86_REG_RBX, kRbx, 64},
    {X86_REG_RSP, kRsp, 64},  {X86_REG_RBP, kRbp, 64},  {X86_REG_RSI, kRsi, 64},  {X86_REG_RDI, kRdi, 64},
    {X86_REG_R8, kR8, 64},    {X86_REG_R9, kR9, 64},    {X86_REG_R10, kR10, 64},  {X86_REG_R11, kR11, 64},
    {X86_REG_R12, kR12, 64},  {X86_REG_R13, kR13, 64},  {X86_REG_R14, kR14, 64},  {X86_REG_R15, kR15, 64},
    {X86_REG_EAX, kRax, 32},  {X86_REG_ECX, kRcx, 32},  {X86_REG_EDX, kRdx, 32},  {X86_REG_EBX, kRbx, 32},
    {X86_REG_ESP, kRsp, 32},  {X86_REG_EBP, kRbp, 32},  {X86_REG_ESI, kRsi, 32},  {X86_REG_EDI, kRdi, 32},
    {X86_REG_R8D, kR8, 32},   {X86_REG_R9D, kR9, 32},   {X86_REG_R10D, kR10, 32}, {X86_REG_R11D, kR11, 32},
    {X86_REG_R12D, kR12, 32}, {X86_REG_R13D, kR13, 32}, {X86_REG_R14D, kR14, 32}, {X86_REG_R15D, kR15, 32},
    {X86_REG_BX, kRbx, 16},   {X86_REG_BP, kRbp, 16},   {X86_REG_SI, kRsi, 16},   {X86_REG_DI, kRdi, 16},
    {X86_REG_SP, kRsp, 16},   {X86_REG_AL, kRax, 8}};

uint64_t value_of(const State& state, unsigned id, uint64_t next_rip) {
  if (id == X86_REG_RIP || id == X86_REG_EIP) return next_rip;
  for (const RegisterRow& row : kRegisters) {
    if (row.id == id) return state.gpr(row.gpr) & mask_of(row.bits);
  }
  return 0;
}

// In 64-bit mode the other segments' prefixes mean nothing.
unsigned segment_of(const x86_op_mem& mem, bool code64) {
  const bool ignored = code64 && mem.segment != X86_REG_FS && mem.segment != X86_REG_GS;
  switch (ignored ? X86_REG_INVALID : mem.segment) {
    case X86_REG_ES: return kEs;
    case X86_REG_CS: return kCs;
    case X86_REG_SS: return kSs;
    case X86_REG_DS: return kDs;
    case X86_REG_FS: return kFs;
    case X86_REG_GS: return kGs;
    default: break;
  }
  switch (mem.base) {
    case X86_REG_RSP:
    case X86_REG_RBP:
    case X86_REG_ESP:
    case X86_REG_EBP:
    case X86_REG_SP:
    case X86_REG_BP: return kSs;
    default: return kDs;
  }
}

MemoryOperand at(const State& state, unsigned segment, uint64_t offset, unsigned bytes) {
  MemoryOperand operand{.segment = segment, .offset = offset, .linear = 0, .bytes = bytes};
  const bool flat = state.code64() && segment != kFs && segment != kGs;
  operand.linear = offset + (flat ? 0 : state.segment(segment).base);
  if (!state.code64()) operand.linear &= 0xffffffff;
  return operand;
}

// An operand that is an address and no access.
bool only_address(const cs_insn& instruction) {
  switch (instruction.id) {
    case X86_INS_LEA:
    case X86_INS_NOP:
    case X86_INS_INVLPG:
    case X86_INS_PREFETCH:
    case X86_INS_PREFETCHW:
    case X86_INS_PREFETCHNTA:
    case X86_INS_PREFETCHT0:
    case X86_INS_PREFETCHT1:
    case X86_INS_PREFETCHT2: return true;
    default: return false;
  }
}

struct StackUse {
  int slots = 0;  // > 0: pushed, < 0: taken
  bool from_rbp = false;
};

StackUse stack_use(const cs_insn& instruction) {
  switch (instruction.id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHF:
    case X86_INS_PUSHFD:
    case X86_INS_PUSHFQ:
    case X86_INS_CALL:
    case X86_INS_ENTER: return {1, false};
    case X86_INS_LCALL: return {2, false};
    case X86_INS_PUSHAW:
    case X86_INS_PUSHAL: return {8, false};
    case X86_INS_POP:
    case X86_INS_POPF:
    case X86_INS_POPFD:
    case X86_INS_POPFQ:
    case X86_INS_RET: return {-1, false};
    case X86_INS_LEAVE: return {-1, true};
    case X86_INS_RETF:
    case X86_INS_RETFQ: return {-2, false};
    case X86_INS_POPAW:
    case X86_INS_POPAL: return {-8, false};
    default: return {};
  }
}

unsigned slot_bytes(const Prefixes& prefixes, CodeSize size) {
  if (size == CodeSize::k64) return prefixes.operand ? 2 : 8;
  return (size == CodeSize::k32) != prefixes.operand ? 4 : 2;
}

MemoryOperand stack_operand(const State& state, const StackUse& use, unsigned bytes) {
  const unsigned bits = state.code64() ? 64 : state.segment(kSs).attributes & seg::kDb ? 32 : 16;
  const unsigned total = bytes * static_cast<unsigned>(use.slots < 0 ? -use.slots : use.slots);
  const uint64_t top = state.gpr(use.from_rbp ? kRbp : kRsp);
  MemoryOperand operand = at(state, kSs, (use.slots > 0 ? top - total : top) & mask_of(bits), total);
  (use.slots > 0 ? operand.write : operand.read) = true;
  return operand;
}

}  // namespace

bool within_segment(const State& state, const MemoryOperand& operand) {
  const uint64_t last = operand.offset + operand.bytes - 1;
  if (state.code64()) return is_canonical(operand.linear) && is_canonical(operand.linear + operand.bytes - 1);
  const SegmentRegister segment = state.segment(operand.segment);
  const bool expand_down = state.protected_mode() && !state.vm86() &&
                           (segment.attributes & (seg::kCode | seg::kExpandDown)) == seg::kExpandDown;
  if (!expand_down) return last <= segment.limit;
  return operand.offset > segment.limit && last <= (segment.attributes & seg::kDb ? 0xffffffff : 0xffff);
}

OperandDecoder::OperandDecoder() {
  for (unsigned i = 0; i < 3; ++i) {
    XS_CHECK(cs_open(CS_ARCH_X86, kModes[i], &handles_[i]) == CS_ERR_OK);
    XS_CHECK(cs_option(handles_[i], CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK);
  }
  instruction_ = cs_malloc(handles_[0]);
}

OperandDecoder::~OperandDecoder() {
  cs_free(instruction_, 1);
  for (size_t& handle : handles_) cs_close(&handle);
}

std::vector<MemoryOperand> OperandDecoder::operands(std::span<const uint8_t> bytes, const State& state) const {
  const CodeSize size = code_size(state.code64(), state.code32());
  const Prefixes prefixes = parse_prefixes(bytes, size);
  const uint8_t* code = bytes.data();
  size_t left = bytes.size();
  uint64_t address = state.rip();
  std::vector<MemoryOperand> all;
  if (!cs_disasm_iter(handles_[static_cast<unsigned>(size)], &code, &left, &address, instruction_)) return all;
  const cs_x86& detail = instruction_->detail->x86;
  const uint64_t addresses = mask_of(8u * detail.addr_size);
  const bool string =
      prefixes.count < bytes.size() && ((bytes[prefixes.count] >= 0xa4 && bytes[prefixes.count] <= 0xa7) ||
                                        (bytes[prefixes.count] >= 0xaa && bytes[prefixes.count] <= 0xaf));
  if (string && (prefixes.rep || prefixes.repne) && (state.gpr(kRcx) & addresses) == 0) return all;
  for (unsigned i = 0; i < detail.op_count && !only_address(*instruction_); ++i) {
    const cs_x86_op& op = detail.operands[i];
    if (op.type != X86_OP_MEM) continue;
    const uint64_t next = state.rip() + instruction_->size;
    const uint64_t offset = value_of(state, op.mem.base, next) +
                            value_of(state, op.mem.index, next) * static_cast<unsigned>(op.mem.scale) +
                            static_cast<uint64_t>(op.mem.disp);
    MemoryOperand operand =
        at(state, segment_of(op.mem, state.code64()), offset & addresses, op.size == 0 ? 1u : op.size);
    operand.write = (op.access & CS_AC_WRITE) != 0;
    operand.read = (op.access & CS_AC_READ) != 0 || !operand.write;
    all.push_back(operand);
  }
  const StackUse use = stack_use(*instruction_);
  if (use.slots != 0) all.push_back(stack_operand(state, use, slot_bytes(prefixes, size)));
  return all;
}

}  // namespace xensim::x86
