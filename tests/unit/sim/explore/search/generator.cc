// Programs in which few subjects meet often.
#include "tests/unit/sim/explore/search/generator.h"

#include "models/base/prng.h"

namespace xensim::sim::small {

namespace {

bool can_wait(const Op& op) {
  return op.kind == OpKind::kLock || op.kind == OpKind::kLockShared || op.kind == OpKind::kAwait ||
         op.kind == OpKind::kBlock || op.kind == OpKind::kPause;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : prng_(seed) {
    // Few subjects a program: else the operations seldom meet.
    locks_ = one_in(2);
    awaits_ = one_in(3);
    timer_ = one_in(4);
    interrupt_ = one_in(3);
    blocks_ = one_in(4);
    words_ = 1 + pick(kWords);
  }

  Program make() {
    program_.actors = one_in(3) ? 3 : 2;
    program_.awaits_change = one_in(2);
    for (unsigned actor = 1; actor <= program_.actors; ++actor) {
      const unsigned most = program_.actors == 3 ? 3 : 4;
      code_ = &program_.code[actor];
      fill(2 + pick(most - 1));
      join_some();
    }
    if (interrupt_) make_handler();
    program_.on_timer = word_op();
    return program_;
  }

 private:
  bool one_in(unsigned n) { return prng_.below(n) == 0; }
  unsigned pick(unsigned bound) { return static_cast<unsigned>(prng_.below(bound)); }
  uint8_t small(unsigned bound) { return static_cast<uint8_t>(pick(bound)); }
  uint8_t actor() { return static_cast<uint8_t>(1 + pick(program_.actors)); }

  void fill(unsigned count) {
    const size_t size = code_->size() + count;
    while (code_->size() < size) add(static_cast<unsigned>(size - code_->size()));
  }

  void add(unsigned room) {
    if (locks_ && one_in(3)) return add_section(room);
    Op op = word_op();
    if (awaits_ && one_in(4)) op.kind = OpKind::kAwait;
    if (timer_ && one_in(3)) op.kind = one_in(2) ? OpKind::kArm : OpKind::kNow;
    if (blocks_ && one_in(3)) op = {one_in(2) ? OpKind::kBlock : OpKind::kWake, actor()};
    if (interrupt_ && one_in(3)) op = interrupt_op();
    if (one_in(20)) op.kind = OpKind::kPause;
    code_->push_back(op);
    if (one_in(6)) code_->push_back({OpKind::kAssert, 0, op.reg, 0xff, small(3)});
  }

  // A lock, what it guards, and mostly an unlocking.
  void add_section(unsigned room) {
    const uint8_t lock = small(kLocks);
    const bool shared = lock == kReadWriteLock && one_in(2);
    const bool tries = !shared && one_in(3);
    const bool guards = room > 2;
    const bool unlocks = room > 1 && !one_in(6);
    Op op{shared ? OpKind::kLockShared : OpKind::kLock, lock};
    if (tries) op.kind = OpKind::kTryLock;
    op.reg = small(kRegisters);
    op.skip = static_cast<uint8_t>((guards ? 1 : 0) + (unlocks ? 1 : 0));
    code_->push_back(op);
    if (guards && one_in(4)) {
      code_->push_back({OpKind::kLock, small(kLocks)});
    } else if (guards) {
      code_->push_back(word_op());
    }
    if (unlocks) code_->push_back({shared ? OpKind::kUnlockShared : OpKind::kUnlock, lock});
  }

  Op interrupt_op() {
    switch (pick(4)) {
      case 0: return {OpKind::kDisable};
      case 1: return {OpKind::kEnable};
      default: return {OpKind::kKick, actor()};
    }
  }

  Op word_op() {
    constexpr OpKind kinds[] = {OpKind::kLoad, OpKind::kLoad, OpKind::kStore, OpKind::kOr,
                                OpKind::kAnd,  OpKind::kXor,  OpKind::kAdd,   OpKind::kCompareSwap};
    constexpr uint8_t masks[] = {0x01, 0x02, 0x03, 0xff};
    Op op{kinds[pick(8)], small(words_), small(kRegisters), masks[pick(4)]};
    op.value = small(3);
    op.expected = small(2);
    return op;
  }

  void make_handler() {
    const uint8_t target = actor();
    code_ = &program_.handler[target];
    const bool locks = locks_;
    const bool blocks = blocks_;
    locks_ = locks && one_in(2);
    blocks_ = false;
    interrupt_ = false;  // one that kicks itself has no end
    fill(1 + pick(2));
    code_->front().joined = one_in(3) && !can_wait(code_->front());
    locks_ = locks;
    blocks_ = blocks;
    // A kick at least: where none was drawn there would be no interrupt.
    program_.code[target == 1 ? 2 : 1].front() = {OpKind::kKick, target};
  }

  // What has no point of its own, as the core's accesses under a lock.
  void join_some() {
    for (size_t i = 1; i < code_->size(); ++i) {
      Op& op = (*code_)[i];
      if (!can_wait(op) && one_in(8)) op.joined = true;
    }
  }

  Prng prng_;
  Program program_;
  std::vector<Op>* code_ = nullptr;
  bool locks_, awaits_, timer_, interrupt_, blocks_;
  unsigned words_;
};

const char* name_of(OpKind kind) {
  constexpr const char* names[] = {"load",   "store",   "or",        "and",   "xor",   "add",    "cas", "lock",
                                   "unlock", "lock_sh", "unlock_sh", "try",   "await", "assert", "arm", "now",
                                   "kick",   "disable", "enable",    "block", "wake",  "pause"};
  return names[static_cast<size_t>(kind)];
}

void describe(const std::string& name, const std::vector<Op>& code, std::string& text) {
  text += name + ":";
  for (const Op& op : code) {
    text += op.joined ? " +" : " ; ";
    text += name_of(op.kind);
    text += "(" + std::to_string(op.object) + " r" + std::to_string(op.reg) + " m" + std::to_string(op.mask) + " v" +
            std::to_string(op.value) + " e" + std::to_string(op.expected) + " s" + std::to_string(op.skip) + ")";
  }
  text += "\n";
}

}  // namespace

Program generate(uint64_t seed) { return Generator(seed).make(); }

std::string describe(const Program& program) {
  std::string text = program.awaits_change ? "awaits change\n" : "awaits writes\n";
  for (unsigned actor = 1; actor <= program.actors; ++actor) {
    describe("actor " + std::to_string(actor), program.code[actor], text);
    if (!program.handler[actor].empty()) describe("  handler", program.handler[actor], text);
  }
  describe("timer", {program.on_timer}, text);
  return text;
}

}  // namespace xensim::sim::small
