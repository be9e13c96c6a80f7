#include "models/x86/fast/block_code.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>

#include "models/x86/block_table.h"
#include "models/x86/fast/block_gate_layout.h"
#include "models/x86/fast/block_note.h"
#include "models/x86/fast/code_reader.h"

namespace xensim::x86 {
namespace {

// A call is CALL rel32 where its target is near, else CALL [rip + disp32] of a word in the block's constant pool; an
// argument that is an address is MOV imm64, or LEA [rip + disp32] where it is near. Which, the layout of the address
// space decides, so all are known here.
constexpr size_t kNearBytes = 5, kFarBytes = 6;
// What write_beginning() needs at most.
constexpr size_t kCountedBytes = 8 + 2 + 10 + 8, kRepeatedBytes = 10 + 2 + 7 + 2 + 10 + 8;
constexpr uint32_t kMostCharge = 127;  // as an immediate byte

// Instructions that do nothing, as few as will do.
void fill(std::span<uint8_t> place) {
  static constexpr uint8_t kNops[9][9] = {{0x90},
                                          {0x66, 0x90},
                                          {0x0f, 0x1f, 0x00},
                                          {0x0f, 0x1f, 0x40, 0x00},
                                          {0x0f, 0x1f, 0x44, 0x00, 0x00},
                                          {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
                                          {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
                                          {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
                                          {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}};
  while (!place.empty()) {
    const size_t part = std::min<size_t>(place.size(), 9);
    std::memcpy(place.data(), kNops[part - 1], part);
    place = place.subspan(part);
  }
}

// Writes instructions, the last first.
class Writer {
 public:
  explicit Writer(uint8_t* end) : at_(end) {}

  Writer& bytes(std::initializer_list<uint8_t> some) {
    at_ -= some.size();
    std::copy(some.begin(), some.end(), at_);
    return *this;
  }
  Writer& word(uint32_t value) {
    at_ -= sizeof value;
    std::memcpy(at_, &value, sizeof value);
    return *this;
  }
  // The distance to `target` from the end of the instruction, which is `more` bytes on.
  Writer& distance(const void* target, size_t more = 0) {
    return word(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(target) - reinterpret_cast<uintptr_t>(at_) - more));
  }
  uint8_t* at() const { return at_; }

 private:
  uint8_t* at_;
};

}  // namespace

BlockCode::BlockCode(const BlockGate& gate) : gate_(gate) {
  constexpr uint8_t kMovEsi = 0xbe, kMovEdx = 0xba;
  const Engine::Functions &from = gate.state().functions, &to = gate.replacements();
  redirected_ = {{{from.rdtsc, to.rdtsc, 0},
                  {from.rdtscp, to.rdtscp, 0},
                  {from.pause, to.pause, kMovEsi},
                  {from.lookup, to.lookup, 0},
                  {from.sti, to.sti, 0},
                  {from.flags, to.flags, kMovEdx},
                  {from.iret_real, to.iret_real, kMovEsi},
                  {from.iret, to.iret, kMovEdx},
                  {from.sysret, to.sysret, kMovEsi}}};
  loads_ = {
      {{from.load_8, to.load_8}, {from.load_16, to.load_16}, {from.load_32, to.load_32}, {from.load_64, to.load_64}}};
  stores_ = {{{from.store_8, to.store_8},
              {from.store_16, to.store_16},
              {from.store_32, to.store_32},
              {from.store_64, to.store_64}}};
  for (const Redirected& each : redirected_) all_reworked_ = all_reworked_ && each.from && each.to;
}

// The target of a call or jump that was read with that opcode, near, or far with the other one.
std::optional<uint64_t> BlockCode::target_of(CodeReader& code, uint8_t near, uint8_t far) const {
  if (code.read({near}, 4)) return code.target();
  uint64_t pointer = 0;
  if (!code.read({0xff, far}, 4)) return std::nullopt;
  if (code.target() < code_begin_ || code.target() > code_end_ - sizeof pointer) return std::nullopt;
  std::memcpy(&pointer, reinterpret_cast<const void*>(code.target()), sizeof pointer);
  return pointer;
}

std::optional<uint64_t> BlockCode::called(CodeReader& code) const { return target_of(code, 0xe8, 0x15); }

// The first argument of a hook and of the check.
bool BlockCode::passes_engine(CodeReader& code) const {
  const auto engine = reinterpret_cast<uintptr_t>(gate_.state().program.engine);
  if (code.read({0x48, 0xbf}, 8)) return code.value() == engine;
  return code.read({0x48, 0x8d, 0x3d}, 4) && code.target() == engine;
}

// MOV/LEA rdi, engine; XOR esi, esi; CALL check. Where it begins, if it ends at `end`.
const uint8_t* BlockCode::check_before(const uint8_t* end) const {
  CodeReader code(end);
  const auto target = called(code);
  const bool is = target && *target == reinterpret_cast<uintptr_t>(gate_.state().functions.check) &&
                  code.read({0x33, 0xf6}, 0) && passes_engine(code);
  return is ? code.at() : nullptr;
}

// Where the check ends that begins at `begin`; nullptr: there is none.
const uint8_t* BlockCode::check_behind(const uint8_t* begin) const {
  for (const size_t argument : {10, 7}) {
    for (const size_t call : {kNearBytes, kFarBytes}) {
      const uint8_t* const end = begin + argument + 2 + call;
      if (reinterpret_cast<uintptr_t>(end) <= code_end_ && check_before(end) == begin) return end;
    }
  }
  return nullptr;
}

// The hook's call with its arguments, and the check that follows it; empty: it looks otherwise.
std::span<uint8_t> BlockCode::beginning(const Call& call) const {
  CodeReader code(call.returns_to);
  const uint8_t* const end = check_behind(call.returns_to);
  const auto hook = called(code);
  if (!end || !hook || *hook != reinterpret_cast<uintptr_t>(gate_.hook())) return {};
  if (!code.read({0x48, 0x8d, 0x0d}, 4) && !code.read({0x48, 0xb9}, 8)) return {};
  if (!code.read({0xba}, 4) || code.value() != call.tag) return {};
  const bool has_pc = (code.read({0x48, 0xc7, 0xc6}, 4) && code.extended() == call.pc) ||
                      (code.read({0x48, 0xbe}, 8) && code.value() == call.pc) ||
                      (code.read({0x48, 0x8d, 0x35}, 4) && code.target() == call.pc) ||
                      (code.read({0xbe}, 4) && code.value() == call.pc);
  if (!has_pc || !passes_engine(code)) return {};
  auto* begin = const_cast<uint8_t*>(code.at());
  return {begin, static_cast<size_t>(end - begin)};
}

// The last 8 bytes are NOP [rax+rbp*8+disp32], whose SIB byte (E8) and displacement are themselves `call rel32`,
// reached only by the conditional jump above. The gate finds the tag at a fixed distance from that call's return
// address.
void BlockCode::write_beginning(std::span<uint8_t> place, const Call& call) const {
  const BlockGate::State& state = gate_.state();
  const bool repeats = call.counting == Counting::kIterations;
  Writer code(place.data() + place.size());
  code.distance(repeats ? gate_.repeated() : gate_.counted()).bytes({0x0f, 0x1f, 0x84, 0xe8});
  if (repeats) {
    code.word(BlockCount::kRepeat).distance(&state.count.last, 4).bytes({0xc7, 0x05});  // movl $kRepeat, last
    code.bytes({0x78, 0x0d});                                                           // js to the call
    code.distance(&state.count.repeat_left).bytes({0x48, 0xff, 0x0d});                  // decq repeat_left
    code.bytes({0x75, 0x16});                                                           // jne to the call
    code.word(call.tag).distance(&state.count.repeat_tag, 4).bytes({0x81, 0x3d});       // cmpl $tag, repeat_tag
  } else {
    const auto charge = static_cast<uint8_t>(BlockTable::charge_of(call.tag));
    code.word(call.tag).distance(&state.count.last, 4).bytes({0xc7, 0x05});         // movl $tag, last
    code.bytes({0x72, 0x0d});                                                       // jb to the call
    code.bytes({charge}).distance(&state.count.room, 1).bytes({0x48, 0x83, 0x2d});  // subq $charge, room
  }
  fill(place.first(static_cast<size_t>(code.at() - place.data())));
}

namespace {

// Each byte that may be the first of an instruction of so many.
template <class Visit>
void each_at(std::span<uint8_t> code, uint8_t opcode, size_t bytes, Visit&& visit) {
  while (code.size() >= bytes) {
    void* const found = std::memchr(code.data(), opcode, code.size() - bytes + 1);
    if (!found) return;
    auto* const at = static_cast<uint8_t*>(found);
    visit(at);
    code = code.subspan(static_cast<size_t>(at - code.data()) + 1);
  }
}

// A call or jump that ends there goes to `target` from now on; what is more than CALL or JMP rel32 is a NOP before it.
void redirect(uint8_t* end, size_t bytes, uint8_t opcode, const void* target) {
  Writer code(end);
  code.distance(target).bytes({opcode});
  if (bytes == kFarBytes) code.bytes({0x90});
}

}  // namespace

// False: a call is not as expected, or there is no code. What is before it is the block's beginning.
bool BlockCode::rework(std::span<uint8_t> code) const {
  bool all = !code.empty();
  each_at(code, 0xe8, kNearBytes, [&](uint8_t* at) { all = rework_call(at, kNearBytes) && all; });
  each_at(code, 0xe9, kNearBytes, [&](uint8_t* at) { rework_store(at, kNearBytes); });
  each_at(code, 0xff, kFarBytes, [&](uint8_t* at) {
    if (at[1] == 0x15) all = rework_call(at, kFarBytes) && all;
    if (at[1] == 0x25) rework_store(at, kFarBytes);
  });
  return all;
}

// push %r8; jmp: the engine's function returns to where the store was.
void BlockCode::rework_store(uint8_t* at, size_t bytes) const {
  CodeReader code(at + bytes);
  const auto target = target_of(code, 0xe9, 0x25);
  if (!target || !code.read({0x41, 0x50}, 0)) return;
  for (const auto& [from, to] : stores_) {
    if (from && to && reinterpret_cast<const void*>(*target) == from) redirect(at + bytes, bytes, 0xe9, to);
  }
}

bool BlockCode::rework_call(uint8_t* at, size_t bytes) const {
  uint8_t* const end = at + bytes;
  CodeReader code(end);
  const auto read = called(code);
  if (!read || code.at() != at) return true;
  const auto* target = reinterpret_cast<const void*>(*read);
  if (target == gate_.state().functions.check) {
    if (const uint8_t* begin = check_before(end)) fill({const_cast<uint8_t*>(begin), end});
    return true;
  }
  for (const auto& [from, to] : loads_) {
    if (target != from || !from || !to) continue;
    // Behind the last argument, where in the code the load is: near or not.
    if (code.read({0x48, 0x8d, 0x0d}, 4) || code.read({0x48, 0xb9}, 8)) redirect(end, bytes, 0xe8, to);
    return true;
  }
  for (const Redirected& each : redirected_) {
    if (target != each.from || !each.to) continue;
    const bool known = each.load != 0 ? code.read({each.load}, 4) : code.read({0x48, 0x8b, 0xfd}, 0);  // mov %rbp, %rdi
    if (!known) return false;
    redirect(end, bytes, 0xe8, each.to);
    return true;
  }
  return true;
}

namespace {

// The rest of the block's code, behind `from`. Empty: nothing before `begin` looks like the block's note.
std::span<uint8_t> rest_of_block(uint8_t* begin, uint8_t* from, uint64_t pc, uint64_t code_begin, uint64_t code_end) {
  constexpr size_t kMostBetween = 64, kMostBytes = 1 << 18;
  const BlockNote* note = BlockNote::find(begin, pc, kMostBetween, code_begin);
  if (!note || note->code_bytes > kMostBytes) return {};
  const uint64_t end = note->code + note->code_bytes, start = reinterpret_cast<uintptr_t>(from);
  if (end < start || end > code_end) return {};
  return {from, end - start};
}

}  // namespace

const uint8_t* BlockCode::rewrite(const Call& call, uint64_t code_begin, uint64_t code_end) {
  code_begin_ = code_begin;
  code_end_ = code_end;
  const std::span<uint8_t> place = gate_.counted() ? beginning(call) : std::span<uint8_t>();
  if (place.empty()) {
    all_reworked_ = false;
    return call.returns_to;
  }
  uint8_t* const behind = place.data() + place.size();
  all_reworked_ &= rework(rest_of_block(place.data(), behind, call.pc, code_begin, code_end));
  const bool fits = call.counting == Counting::kIterations
                        ? place.size() >= kRepeatedBytes
                        : call.counting == Counting::kCharge && place.size() >= kCountedBytes &&
                              BlockTable::charge_of(call.tag) <= kMostCharge;
  if (!fits) return call.returns_to;
  write_beginning(place, call);
  ++rewritten_;
  return behind;
}

}  // namespace xensim::x86
