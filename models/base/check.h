// XS_CHECK: a promise of our own code. On in every build type; a broken one is a finding, reported with seed and
// schedule.
#pragma once

#include <stdexcept>
#include <string>

namespace xensim {

// Thrown by a failed XS_CHECK. It must not cross a frame of a C library: hooks and fibers catch it at their edge, keep
// it as std::exception_ptr and rethrow it on the machine's own stack.
class CheckFailure : public std::logic_error {
 public:
  CheckFailure(const char* file, int line, const std::string& what)
      : std::logic_error(std::string(file) + ":" + std::to_string(line) + ": " + what) {}
};

[[noreturn, gnu::cold]] inline void check_failed(const char* file, int line, const std::string& what) {
  throw CheckFailure(file, line, what);
}

}  // namespace xensim

// XS_CHECK(condition) or XS_CHECK_MSG(condition, std::string): throws CheckFailure where the condition is false.
#define XS_CHECK(condition)                                                    \
  do {                                                                         \
    if (!(condition)) [[unlikely]]                                             \
      ::xensim::check_failed(__FILE__, __LINE__, "check failed: " #condition); \
  } while (false)

#define XS_CHECK_MSG(condition, message)                     \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::xensim::check_failed(__FILE__, __LINE__, (message)); \
  } while (false)
