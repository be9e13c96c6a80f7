// Xenstore's tree (Xen, docs/misc/xenstore.txt): nodes by absolute path, each with a value and permissions. Order is
// that of names, so that listings are the same everywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/archive.h"
#include "models/base/types.h"

namespace xensim::pv {

// One entry of a node's permissions: `letter` is n (none), r, w or b (both). The first names the owner.
struct XsPermission {
  char letter = 'n';
  DomId dom;
  friend bool operator==(const XsPermission&, const XsPermission&) = default;
};

class XsStore {
 public:
  struct Node {
    std::string value;
    std::vector<XsPermission> permissions;
    std::map<std::string, Node, std::less<>> children;
  };

  XsStore();

  // A path as the protocol allows it: "/", or names after slashes, of letters, digits and -/_@+.
  static bool is_path(std::string_view path);

  // nullptr: no such node.
  const Node* find(std::string_view path) const;
  Node* find(std::string_view path);
  // Makes the node, and its parents, which take the permissions of the nearest one that is there.
  Node& make(std::string_view path, DomId owner);
  // Takes the node away with all below it; false: there is none, or it is the root.
  bool remove(std::string_view path);
  // Counts changes, so that a transaction sees whether it was alone.
  uint64_t generation() const { return generation_; }
  void changed() { ++generation_; }
  // All nodes, for a saved machine.
  void fields(StateArchive& ar);

 private:
  Node root_;
  uint64_t generation_ = 0;
};

}  // namespace xensim::pv
