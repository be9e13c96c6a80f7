// Result<T>: a value, or a user's or host's mistake. (A guest's mistake is an errno; one of ours is XS_CHECK.)
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace xensim {

// The exit status that an error leads to (docs: the command line's contract).
enum class ErrorKind : int {
  kInput = 2,        // bad input or usage
  kEnvironment = 3,  // the machine lacks something
};

// One line for a person: what is wrong, where, and what to do.
struct Error {
  ErrorKind kind = ErrorKind::kInput;
  std::string message;
};

template <class T>
struct [[nodiscard]] Result : tl::expected<T, Error> {
  using tl::expected<T, Error>::expected;
};

template <>
struct [[nodiscard]] Result<void> : tl::expected<void, Error> {
  using tl::expected<void, Error>::expected;
};

using Status = Result<void>;

inline tl::unexpected<Error> input_error(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::kInput, std::move(message)});
}

inline tl::unexpected<Error> environment_error(std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::kEnvironment, std::move(message)});
}

#define XS_CONCAT_(a, b) a##b
#define XS_CONCAT(a, b) XS_CONCAT_(a, b)
#define XS_TRY_(tmp, decl, expr)                                  \
  auto tmp = (expr);                                              \
  if (!tmp) return tl::unexpected<Error>(std::move(tmp.error())); \
  decl = std::move(*tmp)

// XS_TRY(auto x, f()): x is f's value, or this function returns f's error.
#define XS_TRY(decl, expr) XS_TRY_(XS_CONCAT(xs_try_, __LINE__), decl, expr)

#define XS_TRY_STATUS_(tmp, expr)                                   \
  do {                                                              \
    auto tmp = (expr);                                              \
    if (!tmp) return tl::unexpected<Error>(std::move(tmp.error())); \
  } while (false)

// XS_TRY_STATUS(f()): returns f's error, if it has one.
#define XS_TRY_STATUS(expr) XS_TRY_STATUS_(XS_CONCAT(xs_try_, __LINE__), expr)

}  // namespace xensim
