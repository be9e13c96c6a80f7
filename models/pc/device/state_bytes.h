// Saved device state as bytes: plain structs without padding, so that equal states are equal bytes.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "models/base/result.h"

namespace xensim::pc {

// Appends `state`.
template <class T>
void save_state(std::vector<std::byte>& out, const T& state) {
  static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>,
                "padding would be saved");
  const auto* first = reinterpret_cast<const std::byte*>(&state);
  out.insert(out.end(), first, first + sizeof state);
}

// Takes a `T` off the front of `in`; an error, and nothing changed, where `in` is shorter.
template <class T>
Status restore_state(std::span<const std::byte>& in, T& state) {
  static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>,
                "padding would be read");
  if (in.size() < sizeof state) return input_error("saved device state is truncated");
  std::memcpy(&state, in.data(), sizeof state);
  in = in.subspan(sizeof state);
  return {};
}

}  // namespace xensim::pc
