// Counting instructions, and cutting the run at an exact count.
//
// The engine reports each block before it runs. A block that fits into the slice and needs nothing runs natively; such
// a block costs a look into a table, a comparison and a subtraction, and all else is made up for when somebody looks.
// Otherwise it is run one instruction at a time: the engine's interrupt-shadow flag makes it translate a single
// instruction, and such translations are kept apart from the whole block's, so that nothing is ever dropped or
// translated twice. The flag's meaning to the guest (it must not take interrupts now) is kept apart in
// Vcpu::owed_shadow.
#include <algorithm>

#include "models/base/check.h"
#include "models/x86/engine/must.h"
#include "models/x86/fast/fast_paths.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

// Decides whether blocks must be looked at one by one.
void SoftCpu::attend() {
  const bool interrupt = current_->interrupt && count_->waiting == 0;
  const bool look = stop_requested_ || exit_ || failure_ || engine_fails_ || current_->init_held || stepping_ ||
                    interrupt || current_->armed || current_->debug_hits != 0 || nmi_ready({loaded_}) ||
                    current_->owed_shadow || rep_pc_ != kNone;
  attention_ = look ? 0 : limit_;
  no_repeats();
}

// At each entry from the engine: brings up to date what blocks that ran the fast way left undone. Changes nothing where
// it was called already.
void SoftCpu::begin_hook() {
  BlockCount& gate = *count_;
  if (gate.last == 0) return;
  const bool repeat = gate.last == BlockCount::kRepeat;
  top_ += repeat_given_ - gate.repeat_left;
  repeat_given_ = gate.repeat_left;
  block_ = repeat ? repeat_block_ : &blocks_.block_of(gate.last);
  open_ = repeat ? 1 : BlockTable::charge_of(gate.last);
  done_ = 0;
  stepped_ = false;
  current_->retired = top_ - gate.room - open_;
  gate.last = 0;
}

// At each return to the engine.
void SoftCpu::end_hook() {
  const uint64_t total = current_->retired + open_;
  const uint64_t room = attention_ > total ? std::min<uint64_t>(attention_ - total, Block::kSlow - 1) : 0;
  count_->room = room;
  top_ = total + room;
}

std::vector<uint8_t> SoftCpu::code_at(uint64_t linear, uint32_t size) {
  std::vector<uint8_t> bytes;
  bytes.reserve(size);
  const State& s = state();
  while (bytes.size() < size) {
    const uint64_t at = linear + bytes.size();
    const WalkResult found = walk(memory_, s, at, {.access = Access::kExecute, .user = s.cpl() == 3});
    const std::byte* host = found.ok ? memory_.ram(found.gpa) : nullptr;
    if (!host) break;
    const auto part = std::min<uint64_t>(size - bytes.size(), kPageSize - at % kPageSize);
    const auto* first = reinterpret_cast<const uint8_t*>(host);
    bytes.insert(bytes.end(), first, first + part);
  }
  return bytes;
}

// Between two runs: forgets all blocks where they have become too many, and their translations, which know them.
void SoftCpu::make_room() {
  constexpr size_t kMostBlocks = 1 << 21;
  if (blocks_.entries() > kMostBlocks) {
    flush_code();
    blocks_.clear();
    std::fill(recent_.begin(), recent_.end(), Recent{});
  } else if (fast_ && fast_->code_half_full()) {
    // The engine drops all code by itself where it has no more room, and would not say so.
    flush_code();
  }
}

void SoftCpu::flush_code() {
  engine_->flush_code();
  if (fast_) fast_->code_flushed();
}

void SoftCpu::on_new_block(uint64_t pc, uint32_t size, uint32_t count) {
  const State& s = state();
  for (uint64_t at = pc; at < pc + size;) {
    const uint64_t part = std::min(pc + size - at, kPageSize - at % kPageSize);
    const WalkResult found = walk(memory_, s, at, {.access = Access::kExecute, .user = s.cpl() == 3});
    if (found.ok) memory_.add_code(found.gpa, part);
    at += part;
  }
  const std::vector<uint8_t> bytes = code_at(pc, size);
  if (bytes.size() == size) blocks_.add(pc, bytes, count, code_size(s.code64(), s.code32()));
}

// The block as it is in memory now, where the table cannot say.
Block& SoftCpu::refreshed(Block* block, uint64_t pc, uint32_t size) {
  if (block && !block->ambiguous) return *block;
  const State& s = state();
  const std::vector<uint8_t> bytes = code_at(pc, size);
  scratch_.pc = pc;
  scratch_.size = size;
  blocks_.decode(scratch_, bytes, 0, code_size(s.code64(), s.code32()));
  XS_CHECK_MSG(scratch_.count != 0, "a block runs from where there is no memory");
  return scratch_;
}

std::pair<void*, void*> SoftCpu::block_hook() {
  if (fast_) return {const_cast<void*>(fast_->hook()), &fast_->state()};
  return {reinterpret_cast<void*>(&SoftCpu::on_block), this};
}

// As block_gate.S, for calls as the engine makes them: a block's size stands in its call, and a table has its tag.
void SoftCpu::on_block(void*, uint64_t pc, uint32_t size, void* user) {
  auto& cpu = *static_cast<SoftCpu*>(user);
  BlockCount& count = cpu.plain_count_;
  Recent& recent = cpu.recent_[(pc ^ pc >> kRecentBits) & ((size_t{1} << kRecentBits) - 1)];
  if (recent.pc == pc && recent.size == size && recent.block && recent.block->charge <= count.room &&
      recent.block->tag != 0) {
    count.room -= recent.block->charge;
    count.last = recent.block->tag;
    return;
  }
  if (cpu.on_repeat(pc, size)) return;
  recent = {pc, size, cpu.blocks_.find(pc, size)};
  cpu.slow_block(pc, size, nullptr);
}

// A block that is to be looked at. Where it goes on.
const void* SoftCpu::slow_block(uint64_t pc, uint32_t size_or_tag, const void* returns_to) {
  if (on_repeat(pc, size_or_tag)) return returns_to;
  begin_hook();
  synced_ = false;
  guarded([&] {
    look_at_blocks();
    calls_gate_ = BlockTable::is_tag(size_or_tag);
    if (calls_gate_) {
      on_slow_block(blocks_.block_of(size_or_tag));
    } else {
      returns_to = on_first_run(pc, size_or_tag, returns_to);
    }
  });
  end_hook();
  return returns_to;
}

// A block that its call has no tag for: it gets that now, if it can, and counts itself from here on. Where it goes on.
const void* SoftCpu::on_first_run(uint64_t pc, uint32_t size, const void* returns_to) {
  // The engine does not tell of a block that it translates first in a run.
  if (!blocks_.find(pc, size)) on_new_block(pc, size, 0);
  Block& block = refreshed(blocks_.find(pc, size), pc, size);
  if (fast_) returns_to = fast_->take(block, returns_to, point_hooks_.empty(), calls_gate_);
  on_slow_block(block);
  return returns_to;
}

void SoftCpu::on_slow_block(Block& block) {
  current_->retired += open_;
  done_ = open_ = 0;
  no_repeats();
  block_ = &block;
  if (exit_ || failure_ || engine_fails_) {
    engine_->stop();
    return;
  }
  stepped_ = std::exchange(stepping_, false);
  if (stepped_) {  // all was looked at before the step was begun
    run_block(block, 1);
    return;
  }
  if (at_rep_end(block)) {  // ends the instruction before; nothing may come in between
    attend();
    return;
  }
  const bool repeats = rep_pc_ == block.pc && block.starts_with_rep();
  rep_pc_ = kNone;
  if (stop_requested_ && !requests_held()) return stop(CpuExit::kStopped);
  if (current_->init_held && !requests_held()) {
    init(VcpuId{loaded_});
    return divert();
  }
  if (current_->retired >= limit_) return stop(CpuExit::kSlice);
  if (current_->debug_hits != 0 && take_debug_trap()) return;
  if (nmi_ready({loaded_}) && !requests_held() && take_nmi()) return;
  if (current_->interrupt && !requests_held()) {
    if (take_interrupt()) return;
    wait_for_if();
  }
  if (!requests_held()) natural_end_ = current_->retired + block.count;
  if (current_->armed && at_breakpoint(block, repeats)) return;
  if (current_->owed_shadow) {
    // The shadow covers the instruction at RIP: give the flag its true meaning, which also runs that one alone.
    current_->owed_shadow = false;
    state().set_shadow(true);
    changed();
    stepping_ = block.count > 1;
    if (stepping_) {
      divert();
      attend();
      return;
    }
    write_back();
  }
  if (block.special == 0) return serve_special(block);
  if (current_->armed) return step_one(block);
  const uint64_t left = whole_blocks_ ? kNone : limit_ - current_->retired;
  const uint64_t room = std::min<uint64_t>(left, block.special);
  if (block.count > room) return step_one(block);
  run_block(block, room);
}

// Lets the engine run the block whole.
void SoftCpu::run_block(Block& block, uint64_t room) {
  XS_CHECK(block.count <= room);
  open_ = block.count;
  rep_pc_ = block.ends_in_rep ? block.rep_pc() : kNone;
  attend();
  if (!block.starts_with_rep()) return;
  const bool free =
      !stop_requested_ && !exit_ && !stepping_ && !current_->interrupt && !current_->owed_shadow && !current_->armed;
  const uint64_t left = free ? repeats_left(block) : 0;
  if (left < 2) return;
  repeat_block_ = &block;
  repeat_given_ = std::min({left, room, limit_ - current_->retired}) - 1;
  count_->repeat_tag = block.tag;
  count_->repeat_left = repeat_given_;
}

uint64_t SoftCpu::repeats_left(const Block& block) const {
  uint64_t left = 0;
  must(uc_reg_read(engine_->get(), UC_X86_REG_RCX, &left));
  return block.rep_address_bits < 64 ? left & ((uint64_t{1} << block.rep_address_bits) - 1) : left;
}

// A repeated string instruction comes back once more after its last iteration, only to find its counter zero. That pass
// is no instruction of its own, and no boundary. (Run alone, the engine leaves it out.)
bool SoftCpu::at_rep_end(const Block& block) {
  if (rep_pc_ != block.pc || !block.starts_with_rep()) return false;
  if (repeats_left(block) != 0) return false;
  rep_pc_ = kNone;
  return true;
}

// Runs the block's first instruction alone.
void SoftCpu::step_one(const Block& block) {
  const std::vector<uint8_t> bytes = code_at(block.pc, std::min<uint32_t>(block.size, 15));
  State& s = state();
  const Instruction first = blocks_.decoder().decode(bytes, code_size(s.code64(), s.code32()));
  current_->owed_shadow = first.kind == InstructionClass::kMakesShadow && !s.shadow();
  stepping_ = true;
  s.set_shadow(true);
  changed();
  divert();
  attend();
}

// Leaves the block before its first instruction and goes on with the state as changed.
void SoftCpu::divert() {
  write_back();
  const uint64_t rip = current_->state.rip();
  must(uc_reg_write(engine_->get(), UC_X86_REG_RIP, &rip));
}

bool SoftCpu::interrupts_open() {
  uint64_t flags = 0;
  must(uc_reg_read(engine_->get(), UC_X86_REG_RFLAGS, &flags));
  return (flags & flag::kIf) && !current_->owed_shadow && !state().shadow();
}

bool SoftCpu::take_nmi() {
  if (current_->owed_shadow || state().shadow()) return false;
  if (current_->nmi_late && !interrupts_open()) return false;
  current_->nmi = current_->nmi_late = false;
  state().set_nmis_blocked(true);
  deliver_event({.kind = EventKind::kExternal, .vector = kNmi});
  if (!exit_) divert();
  return true;
}

// True: an interrupt was delivered and the block is not to be run.
bool SoftCpu::take_interrupt() {
  if (!interrupts_open()) return false;
  current_->interrupt = false;
  const auto vector = client_.acknowledge_interrupt(VcpuId{loaded_});
  attend();
  if (!vector) return false;
  deliver_event({.kind = EventKind::kExternal, .vector = *vector});
  if (!exit_) divert();
  return true;
}

// Where IF is what keeps an interrupt away, blocks need no look until an instruction may set it. In long mode these are
// few, and all call the gate; but a block that was left as it is does not.
void SoftCpu::wait_for_if() {
  if (!current_->interrupt || !fast_ || !calls_gate_ || !fast_->all_reworked()) return;
  if (!point_hooks_.empty()) return;  // blocks have tags, but are not reworked
  // No copy of the state for this: other modes come here at each block.
  if (fast_->interrupts_closed_in_long_mode()) count_->waiting = 1;
}

// Ends wait_for_if(): a hook or a client call may change IF, so blocks are watched again.
void SoftCpu::look_at_blocks() {
  if (count_->waiting == 0) return;
  count_->waiting = 0;
  attend();
}

void SoftCpu::interrupts_may_open() {
  begin_hook();
  look_at_blocks();
  end_hook();
}

uint32_t SoftCpu::index_in_block(uint64_t linear_rip) const {
  const auto index = block_->index_of(linear_rip - block_->pc);
  XS_CHECK_MSG(index, "the engine reports an instruction that its block does not have");
  return *index;
}

// Makes `retired` exact inside a block, whose rest may still run.
void SoftCpu::settle() {
  if (block_) settle(state().linear_rip());
}

void SoftCpu::settle(uint64_t linear_rip) {
  const uint32_t index = index_in_block(linear_rip);
  const uint32_t now = index - done_;
  current_->retired += now;
  done_ = index;
  open_ -= std::min(now, open_);
  if (!stepped_) natural_end_ = current_->retired + open_;
}

// Makes `retired` exact where the rest of the block will not run.
void SoftCpu::close_block() {
  settle();
  block_ = nullptr;
  done_ = open_ = 0;
}

}  // namespace xensim::x86
