// StateArchive: the one interface that tables of fields are written against. An archive writes the fields to bytes,
// reads them from bytes, or shows them as text; the order of the fields is the format.
//
// What is read may have been made by anybody: a value out of its range, or bytes that end too early, make the archive
// fail(); after that everything reads as 0, and who reads looks at ok() before it relies on anything.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace xensim {

// Structs with a table of fields, a function fields_of(StateArchive&, T&) beside them: who has such tables says so by a
// specialization.
template <class T>
struct IsStateStruct : std::false_type {};

class StateArchive {
 public:
  virtual ~StateArchive() = default;

  virtual bool loading() const { return false; }
  // Bytes that are still to be read: no list has more elements.
  virtual uint64_t left() const { return ~uint64_t{0}; }
  // One number of 1, 2, 4 or 8 bytes.
  virtual void integer(const char* name, uint64_t& value, unsigned bytes) = 0;
  // What follows, up to close(), belongs to `name`; `index` tells elements of one name apart.
  virtual void open(const char* /*name*/, uint64_t /*index*/) {}
  virtual void close() {}
  // The state cannot be: the first reason counts.
  void fail(std::string why) {
    if (why_.empty()) why_ = std::move(why);
  }
  // The same of a field: its name, then what is wrong with it.
  void fail(const char* name, const char* what);
  bool ok() const { return why_.empty(); }
  const std::string& why() const { return why_; }
  // A field that is no state, and why; for the reader of the table, and for the test that looks for forgotten fields.
  void skip(const char* /*name*/, const char* /*why*/) {}

  // --- fields of every kind
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void operator()(const char* name, T& field) {
    uint64_t value = bits_of(field);
    integer(name, value, sizeof(T));
    if (!loading()) return;
    if constexpr (std::is_same_v<T, bool>) {
      if (value > 1) return fail(name, "is neither true nor false");
    }
    field = static_cast<T>(value);
  }
  template <class T>
  requires std::is_integral_v<decltype(T::v)>
  void operator()(const char* name, T& field) { (*this)(name, field.v); }
  template <class T>
  void operator()(const char* name, std::atomic<T>& field) {
    T value = field.load();
    (*this)(name, value);
    if (loading()) field.store(value);
  }
  // What is read by peek() and written by poke().
  template <class T>
  requires requires(T& field) { field.poke(field.peek()); }
  void operator()(const char* name, T& field) {
    auto value = field.peek();
    (*this)(name, value);
    if (loading()) field.poke(value);
  }
  template <class T>
  requires IsStateStruct<T>::value void operator()(const char* name, T& object) {
    open(name, 0);
    fields_of(*this, object);
    close();
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& field) {
    bool is_there = field.has_value();
    open(name, 0);
    (*this)("is_there", is_there);
    if (loading()) field = is_there ? std::optional<T>(T{}) : std::nullopt;
    if (field) (*this)("value", *field);
    close();
  }
  template <class T, size_t N>
  void operator()(const char* name, std::array<T, N>& field) {
    for (size_t i = 0; i < N; ++i) element(name, i, field[i]);
  }
  // `most`: how many elements there can be.
  template <class T>
  void operator()(const char* name, std::vector<T>& field, uint64_t most) {
    const uint64_t count = size(name, field.size(), most);
    if (loading()) field.resize(count);
    for (size_t i = 0; i < field.size() && ok(); ++i) element(name, i, field[i]);
  }
  // A list of structs which have no table of their own: `fields` is called with each of them.
  template <class List, class Fields>
  void each(const char* name, List& list, uint64_t most, Fields fields) {
    const uint64_t count = size(name, list.size(), most);
    if (loading()) list.resize(count);
    for (auto& element : list) {
      if (!ok()) return;
      fields(element);
    }
  }
  template <class T>
  void operator()(const char* name, std::deque<T>& field, uint64_t most) {
    std::vector<T> list(field.begin(), field.end());
    (*this)(name, list, most);
    if (loading()) field.assign(list.begin(), list.end());
  }
  template <class First, class Second>
  void operator()(const char* name, std::pair<First, Second>& field) {
    open(name, 0);
    (*this)("first", field.first);
    (*this)("second", field.second);
    close();
  }
  template <class Key, class Value>
  void operator()(const char* name, std::map<Key, Value>& field, uint64_t most) {
    const uint64_t count = size(name, field.size(), most);
    if (!loading()) {
      for (auto& [key, value] : field) pair(name, Key(key), value);
      return;
    }
    field.clear();
    for (uint64_t i = 0; i < count && ok(); ++i) {
      Key key{};
      Value value{};
      pair(name, key, value);
      if (!field.empty() && !(field.rbegin()->first < key)) return fail(name, "is not in order");
      field.emplace_hint(field.end(), key, value);
    }
  }
  template <class T>
  void operator()(const char* name, std::set<T>& field, uint64_t most) {
    std::vector<T> list(field.begin(), field.end());
    (*this)(name, list, most);
    if (loading()) field = std::set<T>(list.begin(), list.end());
  }
  void operator()(const char* name, std::string& field, uint64_t most) {
    const uint64_t count = size(name, field.size(), most);
    if (loading()) field.resize(count);
    for (char& letter : field) (*this)(name, letter);
  }
  // An enumeration whose highest value is `last`.
  template <class T>
  void one_of(const char* name, T& field, T last) {
    (*this)(name, field);
    if (loading() && field > last) {
      fail(name, "has a value that there is not");
      field = T{};
    }
  }
  // A number below `bound`.
  template <class T>
  void below(const char* name, T& field, uint64_t bound) {
    (*this)(name, field);
    check_below(name, value_of(field), bound);
  }
  void check_below(const char* name, uint64_t value, uint64_t bound);
  // How many elements follow.
  uint64_t size(const char* name, uint64_t count, uint64_t most);

 private:
  // The field's own bits: a negative number is not widened to all 64.
  template <class T>
  static uint64_t bits_of(T value) {
    if constexpr (std::is_enum_v<T>) {
      return bits_of(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      return value ? 1 : 0;
    } else {
      return static_cast<std::make_unsigned_t<T>>(value);
    }
  }
  template <class T>
  static uint64_t value_of(const T& field) {
    if constexpr (requires { field.peek(); }) {
      return value_of(field.peek());
    } else if constexpr (requires { field.v; }) {
      return field.v;
    } else {
      return bits_of(field);
    }
  }
  template <class T>
  void element(const char* name, uint64_t index, T& value) {
    open(name, index);
    (*this)("", value);
    close();
  }
  template <class Key, class Value>
  void pair(const char* name, Key&& key, Value& value) {
    open(name, 0);
    (*this)("key", key);
    (*this)("value", value);
    close();
  }

  std::string why_;
};

// Bytes, little-endian.
class StateWriter final : public StateArchive {
 public:
  void integer(const char*, uint64_t& value, unsigned bytes) override {
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
  std::vector<std::byte> out;
};

class StateReader : public StateArchive {
 public:
  explicit StateReader(std::span<const std::byte> bytes) : left_(bytes) {}
  bool loading() const override { return true; }
  void integer(const char* name, uint64_t& value, unsigned bytes) override;
  uint64_t left() const override { return left_.size(); }

 private:
  std::span<const std::byte> left_;
};

// A line a field, for people and for tests: "domain[0].vcpu[1].blocked = 0x1".
class StateDump final : public StateArchive {
 public:
  void integer(const char* name, uint64_t& value, unsigned bytes) override;
  void open(const char* name, uint64_t index) override;
  void close() override { path_.pop_back(); }
  std::string text;

 private:
  std::vector<std::string> path_;
};

}  // namespace xensim
