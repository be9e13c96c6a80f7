// What it means that a file cannot be opened, read or written: a path that is wrong or not the user's to use is bad
// input (status 2); a full disk, a failing one or no more descriptors is the host's (status 3).
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "models/base/result.h"

namespace xensim {

inline bool is_users_path_error(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case ENAMETOOLONG:
    case ELOOP:
    case EROFS:
    case ENXIO: return true;
    default: return false;
  }
}

// "path: what: strerror", without `what` where it is empty. `error` is an errno; 0 (a stream's failure that left none)
// is told as EIO.
inline tl::unexpected<Error> file_error(const std::string& path, std::string_view what, int error) {
  if (error == 0) error = EIO;
  std::string message = fmt::format("{}: {}{}{}", path, what, what.empty() ? "" : ": ", std::strerror(error));
  return is_users_path_error(error) ? input_error(std::move(message)) : environment_error(std::move(message));
}

}  // namespace xensim
