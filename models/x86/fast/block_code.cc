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

// mov $engine, %rdi; xor %esi, %esi; call check
constexpr size_t kArgumentBytes = 10, kCheckBytes = kArgumentBytes + 2 + 5;
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

bool BlockCode::is_check(const uint8_t* at) const {
  CodeReader code(at + kCheckBytes);
  return code.read({0xe8}, 4) && code.target() == reinterpret_cast<uintptr_t>(gate_.state().functions.check) &&
         code.read({0x33, 0xf6}, 0) && code.read({0x48, 0xbf}, 8) &&
         code.value() == reinterpret_cast<uintptr_t>(gate_.state().program.engine);
}

// The hook's call with its arguments, and the check that follows it; empty: it looks otherwise.
std::span<uint8_t> BlockCode::beginning(const Call& call) const {
  CodeReader code(call.returns_to);
  if (!is_check(call.returns_to)) return {};
  if (!code.read({0xe8}, 4) || code.target() != reinterpret_cast<uintptr_t>(gate_.hook())) return {};
  if (!code.read({0x48, 0x8d, 0x0d}, 4) && !code.read({0x48, 0xb9}, 8)) return {};
  if (!code.read({0xba}, 4) || code.value() != call.tag) return {};
  const bool has_pc = (code.read({0x48, 0xc7, 0xc6}, 4) && code.extended() == call.pc) ||
                      (code.read({0x48, 0xbe}, 8) && code.value() == call.pc) ||
                      (code.read({0x48, 0x8d, 0x35}, 4) && code.target() == call.pc) ||
                      (code.read({0xbe}, 4) && code.value() == call.pc);
  if (!has_pc || !code.read({0x48, 0xbf}, 8) ||
      code.value() != reinterpret_cast<uintptr_t>(gate_.state().program.engine))
    return {};
  auto* begin = const_cast<uint8_t*>(code.at());
  return {begin, call.returns_to + kCheckBytes};
}

// The end of the place is the same for all, so that the gate finds the tag from where its call returns to. That call is
// the end of an instruction that does nothing: only who jumps into its middle comes to it.
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

constexpr size_t kNearBytes = 5;  // of a near call or jump

// Each byte that may be the first of such an instruction.
template <class Visit>
void each_near(std::span<uint8_t> code, uint8_t opcode, Visit&& visit) {
  while (code.size() >= kNearBytes) {
    void* const found = std::memchr(code.data(), opcode, code.size() - kNearBytes + 1);
    if (!found) return;
    auto* const at = static_cast<uint8_t*>(found);
    visit(at);
    code = code.subspan(static_cast<size_t>(at - code.data()) + 1);
  }
}

}  // namespace

// False: a call is not as expected, or there is no code. What is before it is the block's beginning.
bool BlockCode::rework(std::span<uint8_t> code) const {
  bool all = !code.empty();
  each_near(code, 0xe8, [&](uint8_t* at) { all = rework_call(at) && all; });
  each_near(code, 0xe9, [&](uint8_t* at) { rework_store(at); });
  return all;
}

// push %r8; jmp: the engine's function returns to where the store was.
void BlockCode::rework_store(uint8_t* at) const {
  CodeReader code(at + kNearBytes);
  if (!code.read({0x41, 0x50, 0xe9}, 4)) return;
  for (const auto& [from, to] : stores_) {
    if (from && to && reinterpret_cast<const void*>(code.target()) == from) Writer(at + kNearBytes).distance(to);
  }
}

bool BlockCode::rework_call(uint8_t* at) const {
  CodeReader code(at + kNearBytes);
  if (!code.read({0xe8}, 4)) return true;
  const auto* target = reinterpret_cast<const void*>(code.target());
  if (target == gate_.state().functions.check) {
    if (uint8_t* begin = at + kNearBytes - kCheckBytes; is_check(begin)) fill({begin, kCheckBytes});
    return true;
  }
  for (const auto& [from, to] : loads_) {
    if (target != from || !from || !to) continue;
    // Behind the last argument, where in the code the load is: near or not.
    if (code.read({0x48, 0x8d, 0x0d}, 4) || code.read({0x48, 0xb9}, 8)) Writer(at + kNearBytes).distance(to);
    return true;
  }
  for (const Redirected& each : redirected_) {
    if (target != each.from || !each.to) continue;
    const bool known = each.load != 0 ? code.read({each.load}, 4) : code.read({0x48, 0x8b, 0xfd}, 0);  // mov %rbp, %rdi
    if (!known) return false;
    Writer(at + kNearBytes).distance(each.to);
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
