// What a folder may include of the project: a row for each folder that holds sources.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace xensim::tidy {

struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;  // prefixes of paths
  bool with_folders_below = false;            // else each of those has a row of its own
};

// Bottom up.
std::span<const Layer> layers();

// The row of a folder (with its last slash), or nullptr: it has none.
const Layer* layer_of(std::string_view folder);

}  // namespace xensim::tidy
