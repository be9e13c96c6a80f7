// What a benchmark needs and gets, or the end of it with the reason.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "models/base/result.h"

namespace xensim {

template <class T>
T value_or_die(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(1);
}

}  // namespace xensim
