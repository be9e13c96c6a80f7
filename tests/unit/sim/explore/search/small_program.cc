// The operations, with what the machine says that each touches.
#include "tests/unit/sim/explore/search/small_program.h"

#include <utility>

namespace xensim::sim::small {

namespace {

uint64_t word_object(unsigned word) { return object_of(ObjectSpace::kMemory, 0x1000 + word); }
uint64_t lock_object(unsigned lock) { return object_of(ObjectSpace::kLock, lock); }
uint64_t handler_object(unsigned actor) { return object_of(ObjectSpace::kVcpu, actor); }
uint64_t wait_object(unsigned actor) { return object_of(ObjectSpace::kVcpu, 0x100 + actor); }
uint64_t upcall_object(unsigned actor) { return object_of(ObjectSpace::kUpcall, actor); }
constexpr uint64_t kClockObject = object_of(ObjectSpace::kClock, 0);
constexpr uint64_t kTimerObject = object_of(ObjectSpace::kTimer, 0);

void touch(std::vector<ObjectAccess>& footprint, uint64_t object, AccessKind kind, uint64_t mask = kWholeObject) {
  footprint.push_back({object, mask, kind});
}

bool is_local(const Op& op) { return op.joined || op.kind == OpKind::kAssert; }

PointOp point_of(OpKind kind) {
  switch (kind) {
    case OpKind::kLoad:
    case OpKind::kAwait: return PointOp::kLoad;
    case OpKind::kStore: return PointOp::kStore;
    case OpKind::kLock:
    case OpKind::kLockShared:
    case OpKind::kTryLock: return PointOp::kLock;
    case OpKind::kUnlock:
    case OpKind::kUnlockShared: return PointOp::kUnlock;
    case OpKind::kPause: return PointOp::kPause;
    case OpKind::kBlock: return PointOp::kHalt;
    default: return PointOp::kRmw;
  }
}

}  // namespace

const std::vector<Op>& State::code(unsigned lane) const {
  return is_irq_lane(lane) ? program_->handler[actor_of_lane(lane)] : program_->code[lane];
}

// Has the handler points, at which its vCPU's own lane waits?
bool State::handler_has_steps(unsigned actor) const {
  for (const Op& op : program_->handler[actor]) {
    if (!is_local(op)) return true;
  }
  return false;
}

bool State::can_lock(unsigned lane, const Op& op) const {
  const LockWord& lock = locks_[op.object];
  if (op.kind == OpKind::kLockShared) return lock.holder == 0 && (lock.shared & lane_bit(lane)) == 0;
  return lock.holder == 0 && lock.shared == 0;
}

bool State::can_execute(unsigned lane) const {
  const Thread& self = thread(lane);
  if (self.at >= code(lane).size()) return false;
  const Op& op = code(lane)[self.at];
  if (op.kind == OpKind::kLock || op.kind == OpKind::kLockShared) return can_lock(lane, op);
  if (op.kind != OpKind::kAwait || !self.looked) return true;
  return program_->awaits_change ? (words_[op.object] & op.mask) != self.seen : self.worthwhile;
}

uint64_t State::runnable() const {
  if (program_->stops_at_failure && failures_ != 0) return 0;
  uint64_t lanes = armed_ ? lane_bit(kClockLane) : 0;
  if (fired_) lanes |= lane_bit(kTimerLane);
  for (unsigned actor = 1; actor <= program_->actors; ++actor) {
    const Vcpu& vcpu = vcpus_[actor];
    if (!vcpu.in_handler && !vcpu.waits && can_execute(actor)) lanes |= lane_bit(actor);
    const bool irq = vcpu.in_handler ? can_execute(irq_lane(actor)) : vcpu.pending && !vcpu.disabled;
    if (irq && !program_->handler[actor].empty()) lanes |= lane_bit(irq_lane(actor));
  }
  return lanes;
}

PointKey State::key(unsigned lane) const {
  if (lane == kClockLane || lane == kTimerLane) return {PointOp::kDone};
  const Thread& self = thread(lane);
  if ((runnable() & lane_bit(lane)) == 0) return {self.at < code(lane).size() ? PointOp::kBlocked : PointOp::kDone};
  return {self.at < code(lane).size() ? point_of(code(lane)[self.at].kind) : PointOp::kDone};
}

void State::step(unsigned lane, Footprint& footprint) {
  if (lane == kClockLane) return clock_step(footprint);
  if (lane == kTimerLane) {
    touch(footprint, kTimerObject, AccessKind::kWrite);
    fired_ = false;
    return word_op(thread(0), program_->on_timer, footprint);
  }
  const unsigned actor = actor_of_lane(lane);
  const bool enters = is_irq_lane(lane) && !vcpus_[actor].in_handler;
  if (enters) begin_interrupt(actor, footprint);
  if (!is_irq_lane(lane) && handler_has_steps(actor)) touch(footprint, handler_object(actor), AccessKind::kRead);
  if (!is_irq_lane(lane) && std::exchange(vcpus_[actor].resumes, false))
    touch(footprint, wait_object(actor), AccessKind::kRead);
  Thread& self = thread(lane);
  const std::vector<Op>& ops = code(lane);
  bool waits = false;
  for (bool first = !enters; !waits && self.at < ops.size() && (first || is_local(ops[self.at])); first = false) {
    execute(lane, ops[self.at], footprint);
    waits = self.looked || (!is_irq_lane(lane) && vcpus_[actor].waits);
  }
  if (is_irq_lane(lane) && self.at >= ops.size()) end_interrupt(actor, footprint);
}

void State::clock_step(Footprint& footprint) {
  touch(footprint, kClockObject, AccessKind::kWrite);
  touch(footprint, kTimerObject, AccessKind::kWrite);
  ++clock_;
  armed_ = false;
  fired_ = true;
}

void State::begin_interrupt(unsigned actor, Footprint& footprint) {
  touch(footprint, upcall_object(actor), AccessKind::kWrite);
  if (handler_has_steps(actor)) touch(footprint, handler_object(actor), AccessKind::kWrite);
  vcpus_[actor].pending = false;
  vcpus_[actor].in_handler = true;
}

void State::end_interrupt(unsigned actor, Footprint& footprint) {
  if (handler_has_steps(actor)) touch(footprint, handler_object(actor), AccessKind::kWrite);
  vcpus_[actor].in_handler = false;
  thread(irq_lane(actor)).at = 0;
}

void State::execute(unsigned lane, const Op& op, Footprint& footprint) {
  Thread& self = thread(lane);
  switch (op.kind) {
    case OpKind::kLock:
    case OpKind::kUnlock:
    case OpKind::kLockShared:
    case OpKind::kUnlockShared:
    case OpKind::kTryLock: lock_op(lane, op, footprint); break;
    case OpKind::kAwait: return await(self, op, footprint);
    case OpKind::kAssert:
      if (self.registers[op.reg] == op.value) fail(kAssertion);
      break;
    case OpKind::kArm:
      touch(footprint, kTimerObject, AccessKind::kWrite);
      armed_ = true;
      break;
    case OpKind::kNow:
      touch(footprint, kClockObject, AccessKind::kRead);
      self.registers[op.reg] = clock_;
      break;
    case OpKind::kKick:
    case OpKind::kDisable:
    case OpKind::kEnable:
    case OpKind::kBlock:
    case OpKind::kWake: vcpu_op(lane, op, footprint); break;
    case OpKind::kPause: break;
    default: word_op(self, op, footprint);
  }
  ++self.at;
}

void State::word_op(Thread& self, const Op& op, Footprint& footprint) {
  const uint8_t old = words_[op.object];
  switch (op.kind) {
    case OpKind::kLoad:
      touch(footprint, word_object(op.object), AccessKind::kRead, op.mask == 0xff ? kWholeObject : op.mask);
      self.registers[op.reg] = old & op.mask;
      break;
    case OpKind::kStore: write(op.object, 0xff, op.value, footprint); break;
    case OpKind::kOr: write(op.object, op.mask, op.mask, footprint); break;
    case OpKind::kAnd: write(op.object, op.mask, 0, footprint); break;
    case OpKind::kXor: write(op.object, op.mask, static_cast<uint8_t>(~old), footprint); break;
    case OpKind::kAdd:
      self.registers[op.reg] = old;
      write(op.object, 0xff, static_cast<uint8_t>(old + op.value), footprint);
      break;
    case OpKind::kCompareSwap:
      self.registers[op.reg] = old == op.expected;
      if (old == op.expected) {
        write(op.object, 0xff, op.value, footprint);
      } else {
        touch(footprint, word_object(op.object), AccessKind::kRead);
      }
      break;
    default: break;
  }
}

void State::write(uint8_t word, uint8_t mask, uint8_t value, Footprint& footprint) {
  touch(footprint, word_object(word), AccessKind::kWrite, mask == 0xff ? kWholeObject : mask);
  words_[word] = static_cast<uint8_t>((words_[word] & ~mask) | (value & mask));
  for (unsigned actor = 1; actor <= program_->actors; ++actor) {
    for (const unsigned lane : {actor, irq_lane(actor)}) {
      Thread& other = thread(lane);
      if (!other.looked) continue;
      const Op& await = code(lane)[other.at];
      if (await.object == word && (await.mask & mask) != 0) other.worthwhile = true;
    }
  }
}

void State::await(Thread& self, const Op& op, Footprint& footprint) {
  touch(footprint, word_object(op.object), AccessKind::kRead, op.mask == 0xff ? kWholeObject : op.mask);
  self.seen = words_[op.object] & op.mask;
  self.looked = self.seen != op.value;
  self.worthwhile = false;
  if (!self.looked) ++self.at;
}

void State::lock_op(unsigned lane, const Op& op, Footprint& footprint) {
  LockWord& lock = locks_[op.object];
  const uint64_t object = lock_object(op.object);
  switch (op.kind) {
    case OpKind::kLockShared:
      touch(footprint, object, AccessKind::kLockShared);
      lock.shared |= lane_bit(lane);
      return;
    case OpKind::kUnlockShared:
      if ((lock.shared & lane_bit(lane)) == 0) return fail(kLockError);
      touch(footprint, object, AccessKind::kUnlockShared);
      lock.shared &= ~lane_bit(lane);
      return;
    case OpKind::kUnlock:
      if (lock.holder != lane + 1) return fail(kLockError);
      touch(footprint, object, AccessKind::kUnlock);
      lock.holder = 0;
      return;
    case OpKind::kTryLock: {
      // Its outcome depends on shared locks too, which conflict with no read.
      touch(footprint, object, op.object == kReadWriteLock ? AccessKind::kWrite : AccessKind::kRead);
      const bool got = can_lock(lane, op);
      thread(lane).registers[op.reg] = got;
      if (got) break;
      thread(lane).at = static_cast<uint8_t>(thread(lane).at + op.skip);
      return;
    }
    default: break;
  }
  touch(footprint, object, AccessKind::kLock);
  lock.holder = lane + 1;
}

void State::vcpu_op(unsigned lane, const Op& op, Footprint& footprint) {
  const unsigned self = actor_of_lane(lane);
  const bool waits = op.kind == OpKind::kBlock || op.kind == OpKind::kWake;
  const unsigned target = op.kind == OpKind::kKick || op.kind == OpKind::kWake ? op.object : self;
  touch(footprint, waits ? wait_object(target) : upcall_object(target), AccessKind::kWrite);
  Vcpu& vcpu = vcpus_[target];
  switch (op.kind) {
    case OpKind::kKick: vcpu.pending = true; break;
    case OpKind::kDisable: vcpu.disabled = true; break;
    case OpKind::kEnable: vcpu.disabled = false; break;
    case OpKind::kBlock:
      vcpu.waits = !vcpu.woken;
      vcpu.woken = false;
      break;
    default: vcpu.woken = !vcpu.waits; vcpu.waits = false;
  }
}

Final State::final() const {
  Final result;
  result.words = words_;
  result.failures = failures_;
  for (size_t i = 0; i < threads_.size(); ++i) result.registers[i] = threads_[i].registers;
  for (unsigned actor = 1; actor <= program_->actors; ++actor) {
    const bool done = threads_[actor].at >= program_->code[actor].size();
    if (!done || vcpus_[actor].waits || vcpus_[actor].in_handler)
      result.unfinished = static_cast<uint8_t>(result.unfinished | 1u << actor);
  }
  const bool cut_short = program_->stops_at_failure && failures_ != 0;
  if (result.unfinished != 0 && !cut_short) result.failures |= kDeadlock;
  return result;
}

Outcome run(const Program& program, Strategy& strategy) {
  State state(program);
  std::vector<ObjectAccess> footprint;
  unsigned current = 1;
  for (uint64_t step = 1;; ++step) {
    const uint64_t runnable = state.runnable();
    if (runnable == 0) break;
    const PointKey key = state.key(current);
    const unsigned lane = strategy.choose({step, {}, current, runnable, key, 0, footprint});
    footprint.clear();
    if (lane == kStopRun) {
      strategy.run_ended({});
      return {true, {}};
    }
    state.step(lane, footprint);
    current = lane;
  }
  strategy.run_ended(footprint);
  return {false, state.final()};
}

}  // namespace xensim::sim::small
