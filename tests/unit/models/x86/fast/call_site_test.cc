// Calls of a hook in translated code: which are renumbered, and which are left alone.
#include "models/x86/fast/call_site.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstring>
#include <initializer_list>
#include <vector>

using namespace xensim::x86;

namespace {

// A page as the engine's own code lies in.
class Code {
 public:
  Code()
      : begin_(static_cast<uint8_t*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        at_(begin_ + 256) {
    REQUIRE(begin_ != MAP_FAILED);
  }
  ~Code() { munmap(begin_, 4096); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;

  template <class T>
  Code& add(std::initializer_list<uint8_t> opcode, T value) {
    for (const uint8_t byte : opcode) *at_++ = byte;
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
    return *this;
  }
  Code& add_relative(std::initializer_list<uint8_t> opcode, const void* target) {
    const uint8_t* after = at_ + opcode.size() + 4;
    return add(opcode, static_cast<int32_t>(static_cast<const uint8_t*>(target) - after));
  }
  const uint8_t* end() const { return at_; }
  uint8_t* page() { return begin_; }
  CodeMapping all() const { return {reinterpret_cast<uint64_t>(begin_), reinterpret_cast<uint64_t>(begin_) + 4096}; }
  std::vector<uint8_t> bytes() const { return {begin_, begin_ + 4096}; }

 private:
  uint8_t* begin_;
  uint8_t* at_;
};

constexpr uint32_t kSize = 0x123, kTag = 0x01404001;
constexpr std::initializer_list<uint8_t> kMovEdx = {0xba}, kMovRcx = {0x48, 0xb9}, kLeaRcx = {0x48, 0x8d, 0x0d},
                                         kCall = {0xe8}, kCallPointer = {0xff, 0x15};

uint32_t size_in(const Code& code, size_t back) {
  uint32_t size = 0;
  std::memcpy(&size, code.end() - back, sizeof size);
  return size;
}

}  // namespace

TEST_CASE("a near call with a constant argument") {
  Code code;
  const void* hook = code.page();
  const auto user = uint64_t{0x123456789a};
  code.add(kMovEdx, kSize).add(kMovRcx, user).add_relative(kCall, hook);
  CallSites sites(hook, reinterpret_cast<const void*>(user), code.all());
  CHECK(sites.renumber(code.end(), kSize, kTag));
  CHECK(size_in(code, 4 + 10 + 5) == kTag);
  CHECK_FALSE(sites.renumber(code.end(), kSize, kTag + 1));  // no longer that size
  CHECK(size_in(code, 4 + 10 + 5) == kTag);
}

TEST_CASE("a call by a pointer, with an argument by its distance") {
  Code code;
  const void* hook = &code;
  std::memcpy(code.page(), &hook, sizeof hook);
  const void* user = code.page() + 64;
  code.add(kMovEdx, kSize).add_relative(kLeaRcx, user).add_relative(kCallPointer, code.page());
  CHECK(CallSites(hook, user, code.all()).renumber(code.end(), kSize, kTag));
  CHECK(size_in(code, 4 + 7 + 6) == kTag);
}

TEST_CASE("a call that is not as expected is left alone") {
  Code code, other;
  const void* hook = code.page();
  const auto user = uint64_t{0x123456789a};
  const void* argument = reinterpret_cast<const void*>(user);
  code.add(kMovEdx, kSize).add(kMovRcx, user).add_relative(kCall, hook);
  other.add({0xbe}, kSize).add(kMovRcx, user).add_relative(kCall, hook);  // into another register
  const auto before = code.bytes(), before_other = other.bytes();
  CHECK_FALSE(CallSites(code.page() + 1, argument, code.all()).renumber(code.end(), kSize, kTag));
  CHECK_FALSE(CallSites(hook, code.page(), code.all()).renumber(code.end(), kSize, kTag));
  CHECK_FALSE(CallSites(hook, argument, code.all()).renumber(code.end(), kSize + 1, kTag));
  CHECK_FALSE(CallSites(hook, argument, code.all()).renumber(code.end() + 1, kSize, kTag));
  CHECK_FALSE(
      CallSites(hook, argument, code.all()).renumber(code.page() + 8, kSize, kTag));  // too near to the beginning
  CHECK_FALSE(CallSites(hook, argument, code.all()).renumber(other.end(), kSize, kTag));
  CHECK(code.bytes() == before);
  CHECK(other.bytes() == before_other);
}

TEST_CASE("a pointer outside of the code is not followed") {
  Code code;
  code.add(kMovEdx, kSize).add(kMovRcx, uint64_t{1}).add(kCallPointer, int32_t{0x7ffffff0});
  CHECK_FALSE(CallSites(code.page(), reinterpret_cast<const void*>(1), code.all()).renumber(code.end(), kSize, kTag));
}

TEST_CASE("code outside of the engine's buffer is left alone, and not read") {
  Code code, other;
  code.add(kMovEdx, kSize).add(kMovRcx, uint64_t{1}).add_relative(kCall, code.page());
  const void* user = reinterpret_cast<const void*>(1);
  CHECK_FALSE(CallSites(code.page(), user, other.all()).renumber(code.end(), kSize, kTag));
  CHECK_FALSE(CallSites(code.page(), user, {}).renumber(code.end(), kSize, kTag));
  CHECK_FALSE(CallSites(code.page(), user, other.all()).renumber(reinterpret_cast<const void*>(8), kSize, kTag));
}
