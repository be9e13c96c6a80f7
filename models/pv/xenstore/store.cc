// See store.h.
#include "models/pv/xenstore/store.h"

#include <algorithm>

namespace xensim::pv {
namespace {

bool is_path_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-/_@+:").find(c) != std::string_view::npos;
}

// Calls `visit` with each name of the path; stops where it says false.
template <class Visit>
bool each_name(std::string_view path, Visit&& visit) {
  while (path.size() > 1) {
    path.remove_prefix(1);
    const size_t end = std::min(path.find('/'), path.size());
    if (!visit(path.substr(0, end))) return false;
    path.remove_prefix(end);
  }
  return true;
}

}  // namespace

XsStore::XsStore() { root_.permissions = {{'r', DomId{0}}}; }

bool XsStore::is_path(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/') || path.ends_with('/') || path.find("//") != std::string_view::npos) return false;
  return std::all_of(path.begin(), path.end(), is_path_letter);
}

const XsStore::Node* XsStore::find(std::string_view path) const {
  const Node* node = &root_;
  const bool there = each_name(path, [&](std::string_view name) {
    const auto child = node->children.find(name);
    if (child == node->children.end()) return false;
    node = &child->second;
    return true;
  });
  return there ? node : nullptr;
}

XsStore::Node* XsStore::find(std::string_view path) {
  return const_cast<Node*>(static_cast<const XsStore*>(this)->find(path));
}

XsStore::Node& XsStore::make(std::string_view path, DomId owner) {
  Node* node = &root_;
  each_name(path, [&](std::string_view name) {
    auto child = node->children.find(name);
    if (child == node->children.end()) {
      child = node->children.emplace(std::string(name), Node{}).first;
      child->second.permissions = node->permissions;
      // A guest owns what it makes.
      if (owner != DomId{0}) child->second.permissions.front().dom = owner;
      ++generation_;
    }
    node = &child->second;
    return true;
  });
  return *node;
}

bool XsStore::remove(std::string_view path) {
  if (path == "/") return false;
  const size_t slash = path.rfind('/');
  Node* parent = find(slash == 0 ? std::string_view("/") : path.substr(0, slash));
  if (parent == nullptr) return false;
  const auto child = parent->children.find(path.substr(slash + 1));
  if (child == parent->children.end()) return false;
  parent->children.erase(child);
  ++generation_;
  return true;
}

}  // namespace xensim::pv
