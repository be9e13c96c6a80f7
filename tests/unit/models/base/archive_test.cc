// The archive of saved states: every kind of field as bytes, back, and as text; and bytes that cannot be.
#include "models/base/archive.h"

#include <doctest/doctest.h>

#include "models/base/types.h"

namespace xensim {
namespace {

enum class Colour : uint8_t { kRed, kGreen, kBlue };

// As a field that the core shares without a lock.
struct Shown {
  uint32_t peek() const { return value; }
  void poke(uint32_t to) { value = to; }
  uint32_t value = 0;
};

struct Inner {
  int32_t number = 0;
  bool flag = false;
};

struct Everything {
  uint8_t byte = 0;
  int16_t negative = 0;
  Colour colour = Colour::kRed;
  Gpa address;
  std::atomic<uint32_t> atomic{0};
  Shown shown;
  Inner inner;
  std::optional<uint64_t> maybe;
  std::array<uint16_t, 2> pair_of{};
  std::vector<uint32_t> list;
  std::deque<uint32_t> queue;
  std::set<uint32_t> set;
  std::map<uint32_t, Inner> map;
  std::pair<uint8_t, uint8_t> pair;
  std::string text;
};

}  // namespace

template <>
struct IsStateStruct<Inner> : std::true_type {};

namespace {

void fields_of(StateArchive& ar, Inner& inner) {
  ar("number", inner.number);
  ar("flag", inner.flag);
}

void fields(StateArchive& ar, Everything& all) {
  constexpr uint64_t kMost = 8;
  ar("byte", all.byte);
  ar("negative", all.negative);
  ar.one_of("colour", all.colour, Colour::kBlue);
  ar("address", all.address);
  ar("atomic", all.atomic);
  ar.below("shown", all.shown, 100);
  ar("inner", all.inner);
  ar("maybe", all.maybe);
  ar("pair_of", all.pair_of);
  ar("list", all.list, kMost);
  ar("queue", all.queue, kMost);
  ar("set", all.set, kMost);
  ar("map", all.map, kMost);
  ar("pair", all.pair);
  ar("text", all.text, kMost);
}

void fill(Everything& all) {
  all.byte = 0xfe;
  all.negative = -2;
  all.colour = Colour::kBlue;
  all.address = Gpa{0x1234'5678'9abc};
  all.atomic = 7;
  all.shown.value = 99;
  all.inner = {-1, true};
  all.maybe = 5;
  all.pair_of = {1, 2};
  all.list = {3, 4};
  all.queue = {5, 6};
  all.set = {7, 8};
  all.map = {{9, {10, false}}, {11, {12, true}}};
  all.pair = {13, 14};
  all.text = "text";
}

std::string dump(Everything& all) {
  StateDump ar;
  fields(ar, all);
  return ar.text;
}

std::vector<std::byte> bytes_of(Everything& all) {
  StateWriter ar;
  fields(ar, all);
  return ar.out;
}

// What reading one field of these bytes comes to: why it failed, empty where it did not.
template <class Field>
std::string why(std::vector<uint8_t> bytes, Field field) {
  StateReader ar(std::as_bytes(std::span(bytes)));
  field(ar);
  return ar.why();
}

TEST_CASE("every kind of field comes back") {
  Everything all;
  fill(all);
  const auto bytes = bytes_of(all);
  Everything read;
  StateReader ar(bytes);
  fields(ar, read);
  CHECK(ar.ok());
  CHECK(ar.left() == 0);
  CHECK(dump(read) == dump(all));
  CHECK(read.negative == -2);
  CHECK(read.map.at(11).flag);
  CHECK(bytes_of(read) == bytes);
}

TEST_CASE("bytes that end too early fail, and from there on all reads as 0 or empty") {
  Everything all;
  fill(all);
  const auto bytes = bytes_of(all);
  for (size_t length = 0; length < bytes.size(); ++length) {
    Everything read;
    const std::span<const std::byte> whole = bytes;
    StateReader ar(whole.first(length));
    fields(ar, read);
    CHECK_FALSE(ar.ok());
    CHECK(read.text.empty());
  }
  CHECK(why({1, 2}, [](StateArchive& ar) {
          uint32_t number = 1;
          ar("number", number);
          CHECK(number == 0);
          ar("later", number);
        }) == "it ends at number");
}

TEST_CASE("numbers are little-endian, of their own width") {
  StateWriter ar;
  uint32_t number = 0x01020304;
  int8_t small = -1;
  ar("number", number);
  ar("small", small);
  CHECK(ar.out == std::vector<std::byte>{std::byte{4}, std::byte{3}, std::byte{2}, std::byte{1}, std::byte{0xff}});
}

TEST_CASE("values out of their range are refused, each by name") {
  CHECK(why({2}, [](StateArchive& ar) {
          bool flag = false;
          ar("flag", flag);
        }) == "flag is neither true nor false");
  CHECK(why({3}, [](StateArchive& ar) {
          Colour colour = Colour::kRed;
          ar.one_of("colour", colour, Colour::kBlue);
          CHECK(colour == Colour::kRed);
        }) == "colour has a value that there is not");
  CHECK(why({100, 0, 0, 0}, [](StateArchive& ar) {
          Shown shown;
          ar.below("shown", shown, 100);
        }) == "shown is 100, out of range");
  const auto read_list = [](StateArchive& ar) {
    std::vector<uint8_t> list;
    ar("list", list, 2);
    CHECK(list.empty());
  };
  CHECK(why({3, 0, 0, 0, 1, 2, 3}, read_list) == "list has 3 elements, more than there can be");
  CHECK(why({2, 0, 0, 0, 1}, read_list) == "list has 2 elements, more than there can be");
  CHECK(why({2, 0, 0, 0, 5, 0, 5, 0}, [](StateArchive& ar) {
          std::map<uint8_t, uint8_t> map;
          ar("map", map, 2);
        }) == "map is not in order");
}

TEST_CASE("a dump has a line for each field, with the way that leads there") {
  std::map<uint32_t, Inner> map = {{9, {1, true}}};
  std::vector<uint32_t> list = {3, 4};
  StateDump ar;
  ar("list", list, 2);
  ar("map", map, 2);
  CHECK(ar.text ==
        "list = 0x2\nlist[0] = 0x3\nlist[1] = 0x4\n"
        "map = 0x1\nmap[0].key = 0x9\nmap[0].value[0].number = 0x1\nmap[0].value[0].flag = 0x1\n");
}

}  // namespace
}  // namespace xensim
