// Blocks whose code is rewritten: what they do afterwards, and which are left alone.
#include "models/x86/fast/block_code.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "models/x86/block_table.h"
#include "models/x86/fast/fast_paths.h"
#include "models/x86/soft_cpu_impl.h"
#include "tests/unit/models/x86/test_machine.h"

extern "C" const unsigned char count_loop[], do_rdtsc[], do_rdtscp[], do_pause[];

namespace xensim::x86 {
namespace {

struct Seen {
  unsigned slow = 0, checks = 0;
};
Seen seen;
const void* goes_on = nullptr;  // nullptr: where it would have

const void* slow(void*, uint64_t, uint32_t, BlockGate::State*, const void* returns_to) {
  ++seen.slow;
  return goes_on ? goes_on : returns_to;
}
void check(void*, uint32_t) { ++seen.checks; }

// Memory as the engine's code lies in. A BlockGate made while this is there lies right below it.
class Pages {
 public:
  Pages()
      : begin_(static_cast<uint8_t*>(
            mmap(nullptr, kBytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    REQUIRE(begin_ != MAP_FAILED);
  }
  ~Pages() { munmap(begin_, kBytes); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  uint8_t* begin() const { return begin_; }
  uint64_t first() const { return reinterpret_cast<uintptr_t>(begin_); }
  uint64_t end() const { return first() + kBytes; }
  bool has(const void* at) const {
    return reinterpret_cast<uintptr_t>(at) >= first() && reinterpret_cast<uintptr_t>(at) < end();
  }

 private:
  static constexpr size_t kBytes = 64 << 20;  // too many for a hole between libraries, below which there is no room
  uint8_t* begin_;
};

constexpr uint64_t kPc = 0x401000;
constexpr uint32_t kCharge = 5, kTag = (kCharge + 1) << BlockTable::kNumberBits | BlockTable::kFirstNumber;
constexpr uint32_t kRepeatTag = BlockTable::kFirstNumber + 1;

// A block as the engine makes it, that can be called: its beginning, a check as behind an access to memory, a return.
class FakeBlock {
 public:
  FakeBlock(Pages& pages, const BlockGate& gate, uint32_t tag, uint64_t noted_pc = kPc)
      : pages_(pages), at_(pages.begin() + 256) {
    run_ = at_;
    const auto code = reinterpret_cast<uint64_t>(at_);
    add({0x48, 0x83, 0xec, 0x08});  // sub $8, %rsp
    move_engine(gate);
    add({0xbe}, static_cast<uint32_t>(kPc));
    add({0xba}, tag);
    const auto state = static_cast<const void*>(&gate.state());
    near({0x48, 0x8d, 0x0d}, state);
    near({0xe8}, gate.hook());
    returns_to_ = at_;
    add_check(gate);
    body_ = at_;
    add_check(gate);
    add({0x48, 0x83, 0xc4, 0x08, 0xc3});  // add $8, %rsp; ret
    const uint64_t note[] = {noted_pc, 0, 0, 0, code, reinterpret_cast<uint64_t>(at_) - code};
    std::memcpy(pages.begin() + 128, note, sizeof note);
  }

  void run() const { reinterpret_cast<void (*)()>(run_)(); }
  const uint8_t* returns_to() const { return returns_to_; }
  const uint8_t* body() const { return body_; }

 private:
  void add(std::initializer_list<uint8_t> bytes) {
    for (const uint8_t byte : bytes) *at_++ = byte;
  }
  template <class T>
  void add(std::initializer_list<uint8_t> bytes, T value) {
    add(bytes);
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void near(std::initializer_list<uint8_t> bytes, const void* target) {
    add(bytes, static_cast<int32_t>(static_cast<const uint8_t*>(target) - (at_ + bytes.size() + 4)));
  }
  void move_engine(const BlockGate& gate) {
    const void* const engine = gate.state().program.engine;
    if (pages_.has(engine)) return near({0x48, 0x8d, 0x3d}, engine);
    add({0x48, 0xbf}, engine);
  }
  // By a near call where the check is one of the pages' own, a jump to the real one; else by way of a constant.
  void add_check(const BlockGate& gate) {
    const void* const check = gate.state().functions.check;
    move_engine(gate);
    add({0x33, 0xf6});
    if (pages_.has(check)) return near({0xe8}, check);
    std::memcpy(pages_.begin() + 3072, &check, sizeof check);
    near({0xff, 0x15}, pages_.begin() + 3072);
  }

  Pages& pages_;
  uint8_t *at_, *run_;
  const uint8_t *returns_to_ = nullptr, *body_ = nullptr;
};

// The engine's check lies near its code.
const void* near_check(Pages& pages) {
  uint8_t* at = pages.begin() + 2048;
  const uint8_t jump[] = {0x48, 0xb8};  // mov $check, %rax; jmp *%rax
  const auto target = reinterpret_cast<uint64_t>(&check);
  std::memcpy(at, jump, sizeof jump);
  std::memcpy(at + 2, &target, sizeof target);
  at[10] = 0xff;
  at[11] = 0xe0;
  return at;
}

struct Fixture {
  Pages pages;
  int engine = 0;
  BlockGate gate;
  BlockCode code{gate};

  // Where the engine's functions and its handle are: within reach of its code or not.
  explicit Fixture(bool near_functions = true, bool near_engine = false)
      : gate({.engine = near_engine ? static_cast<void*>(pages.begin() + 3000) : &engine, .slow = &slow},
             {.check = near_functions ? near_check(pages) : reinterpret_cast<const void*>(&check)},
             {pages.first(), pages.end()}) {
    REQUIRE(gate.counted());
    seen = {};
    goes_on = nullptr;
  }
  const uint8_t* rewrite(const FakeBlock& block, uint32_t tag, BlockCode::Counting counting) {
    return code.rewrite({block.returns_to(), kPc, tag, counting}, pages.first(), pages.end());
  }
};

}  // namespace

TEST_CASE("a block as the engine makes it calls the gate, and checks each time") {
  Fixture f;
  REQUIRE(f.gate.counted());
  const FakeBlock block(f.pages, f.gate, kTag);
  f.gate.state().count.room = 7;
  block.run();
  CHECK(f.gate.state().count.room == 2);
  CHECK(f.gate.state().count.last == kTag);
  CHECK(seen.slow == 0);
  CHECK(seen.checks == 2);
  block.run();
  CHECK(f.gate.state().count.room == 2);
  CHECK(seen.slow == 1);
  CHECK(seen.checks == 5);
}

TEST_CASE("a rewritten block counts itself, and checks where it has no room alone") {
  Fixture f;
  const FakeBlock block(f.pages, f.gate, kTag);
  goes_on = f.rewrite(block, kTag, BlockCode::Counting::kCharge);
  CHECK(goes_on == block.body());
  f.gate.state().count.room = 12;
  block.run();
  CHECK(f.gate.state().count.room == 7);
  CHECK(f.gate.state().count.last == kTag);
  f.gate.state().count.last = 1;
  block.run();
  CHECK(f.gate.state().count.room == 2);
  CHECK(seen.slow == 0);
  CHECK(seen.checks == 0);
  f.gate.state().count.last = 1;
  block.run();
  CHECK(f.gate.state().count.room == 2);
  CHECK(f.gate.state().count.last == 1);
  CHECK(seen.slow == 1);
  CHECK(seen.checks == 1);
}

TEST_CASE("a block is rewritten wherever the engine's functions and its handle lie") {
  for (const bool near_functions : {false, true}) {
    for (const bool near_engine : {false, true}) {
      CAPTURE(near_functions);
      CAPTURE(near_engine);
      Fixture f(near_functions, near_engine);
      const FakeBlock block(f.pages, f.gate, kTag);
      goes_on = f.rewrite(block, kTag, BlockCode::Counting::kCharge);
      CHECK(goes_on == block.body());
      f.gate.state().count.room = 5;
      block.run();
      CHECK(f.gate.state().count.room == 0);
      CHECK(seen.slow == 0);
      CHECK(seen.checks == 0);  // the body's is taken out
      block.run();
      CHECK(seen.slow == 1);
      CHECK(seen.checks == 1);
    }
  }
}

TEST_CASE("a rewritten iteration takes what it was given, and no other's") {
  Fixture f;
  const FakeBlock block(f.pages, f.gate, kRepeatTag);
  goes_on = f.rewrite(block, kRepeatTag, BlockCode::Counting::kIterations);
  CHECK(goes_on == block.body());
  BlockCount& state = f.gate.state().count;
  state.repeat_tag = kRepeatTag;
  state.repeat_left = 1;
  block.run();
  CHECK(state.repeat_left == 0);
  CHECK(state.last == BlockCount::kRepeat);
  CHECK(seen.slow == 0);
  state.last = 1;
  block.run();
  CHECK(state.repeat_left == 0);
  CHECK(state.last == 1);
  CHECK(seen.slow == 1);
  state.repeat_tag = kTag;
  state.repeat_left = 3;
  block.run();
  CHECK(state.repeat_left == 3);
  CHECK(seen.slow == 2);
  CHECK(seen.checks == 2);
}

TEST_CASE("a block that the gate counts still calls it, but loses its other checks") {
  Fixture f;
  const FakeBlock block(f.pages, f.gate, kRepeatTag);
  CHECK(f.rewrite(block, kRepeatTag, BlockCode::Counting::kGate) == block.returns_to());
  block.run();
  CHECK(seen.slow == 1);
  CHECK(seen.checks == 2);  // the gate's and the beginning's
}

TEST_CASE("the rest of a block that is not found keeps its checks") {
  Fixture f;
  const FakeBlock block(f.pages, f.gate, kTag, kPc + 1);
  goes_on = f.rewrite(block, kTag, BlockCode::Counting::kCharge);
  f.gate.state().count.room = 12;
  block.run();
  CHECK(seen.slow == 0);
  CHECK(seen.checks == 1);
}

TEST_CASE("a beginning that is not as expected is left alone") {
  Fixture f;
  const FakeBlock block(f.pages, f.gate, kTag);
  const std::vector<uint8_t> before(f.pages.begin(), f.pages.begin() + 4096);
  const auto left_alone = [&](BlockCode code, const BlockCode::Call& call) {
    CHECK(code.rewrite(call, f.pages.first(), f.pages.end()) == call.returns_to);
    CHECK(std::vector<uint8_t>(f.pages.begin(), f.pages.begin() + 4096) == before);
  };
  const BlockCode::Call good{block.returns_to(), kPc, kTag, BlockCode::Counting::kCharge};
  BlockCode::Call call = good;
  call.pc = kPc + 1;
  left_alone(f.code, call);
  call = good;
  call.tag = kTag + 1;
  left_alone(f.code, call);
  call = good;
  call.returns_to = block.body();
  left_alone(f.code, call);
  BlockGate without({.engine = &f.engine, .slow = &slow}, {}, {f.pages.first(), f.pages.end()});
  left_alone(BlockCode(without), good);
  int other = 0;
  BlockGate elsewhere({.engine = &other, .slow = &slow}, f.gate.state().functions, {f.pages.first(), f.pages.end()});
  left_alone(BlockCode(elsewhere), good);
}

TEST_CASE("RDTSC, RDTSCP and PAUSE are served in the middle of their blocks") {
  for (const unsigned char* snippet : {do_rdtsc, do_rdtscp, do_pause}) {
    test::TestMachine m;
    m.long64(snippet);
    CHECK(m.run() == CpuExit::kHalt);
    CHECK(test::fast_of(m).served_in_place() == (snippet == do_pause ? 2 : 1));
  }
}

TEST_CASE("the engine's blocks are as expected") {
  test::TestMachine m;
  m.long64(count_loop);
  m.run(100);
  const FastPaths& fast = test::fast_of(m);
  CHECK(fast.block_code().rewritten() >= 2);
  CHECK(fast.block_code().all_reworked());
}

}  // namespace xensim::x86
