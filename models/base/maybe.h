// Maybe<T>: a value of a strong type (types.h) or nothing; as std::optional is used, in the size of T.
//
// For what every access to guest memory asks. An optional of 8 bytes has 16 and is returned in two registers, the
// second of which compilers fill through the stack: they store one byte there and load eight, which a processor waits
// for longer than all of a lookup takes.
#pragma once

#include <optional>

#include "models/base/check.h"
#include "models/base/types.h"

namespace xensim {

// The highest number of T's kind stands for nothing: no address or frame number is that high.
template <class T>
class Maybe {
 public:
  constexpr Maybe() = default;
  constexpr Maybe(std::nullopt_t) {}
  constexpr Maybe(T value) : value_(value) {}
  constexpr Maybe(const std::optional<T>& value) : value_(value.value_or(kNothing)) {}

  constexpr bool has_value() const { return value_ != kNothing; }
  constexpr explicit operator bool() const { return has_value(); }
  // There is a value.
  constexpr const T& operator*() const { return value_; }
  constexpr const T* operator->() const { return &value_; }
  const T& value() const {
    XS_CHECK(has_value());
    return value_;
  }
  constexpr T value_or(T other) const { return has_value() ? value_ : other; }
  friend constexpr bool operator==(Maybe, Maybe) = default;

 private:
  static constexpr T kNothing{static_cast<decltype(T::v)>(~decltype(T::v){0})};
  T value_ = kNothing;
};

template <class T>
Maybe(T) -> Maybe<T>;

}  // namespace xensim
