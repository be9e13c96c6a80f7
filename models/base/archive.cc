#include "models/base/archive.h"

#include <fmt/format.h>

namespace xensim {

void StateArchive::fail(const char* name, const char* what) { fail(fmt::format("{} {}", name, what)); }

void StateArchive::check_below(const char* name, uint64_t value, uint64_t bound) {
  if (loading() && value >= bound) fail(fmt::format("{} is {}, out of range", name, value));
}

uint64_t StateArchive::size(const char* name, uint64_t count, uint64_t most) {
  integer(name, count, 4);
  if (!loading() || (count <= most && count <= left())) return count;
  fail(fmt::format("{} has {} elements, more than there can be", name, count));
  return 0;
}

void StateReader::integer(const char* name, uint64_t& value, unsigned bytes) {
  value = 0;
  if (!ok()) return;
  if (left_.size() < bytes) return fail(fmt::format("it ends at {}", name));
  for (unsigned i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(left_[i]) << (8 * i);
  left_ = left_.subspan(bytes);
}

void StateDump::integer(const char* name, uint64_t& value, unsigned) {
  for (const std::string& each : path_) text += each;
  text += fmt::format("{}{} = {:#x}\n", path_.empty() || *name == 0 ? "" : ".", name, value);
}

void StateDump::open(const char* name, uint64_t index) {
  path_.push_back(fmt::format("{}{}[{}]", path_.empty() || *name == 0 ? "" : ".", name, index));
}

}  // namespace xensim
