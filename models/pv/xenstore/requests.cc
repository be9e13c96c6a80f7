// See requests.h. What a guest may ask, and with which words it is refused: docs/misc/xenstore.txt.
#include "models/pv/xenstore/requests.h"

#include <fmt/format.h>
#include <xen/io/xs_wire.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace xensim::pv {
namespace {

// What a guest may have, as xenstored's defaults say (its options --entry-nb, --watch-nb, --transaction, --entry-size,
// --quota); paths as io/xs_wire.h has them. Watch events beyond the last number of bytes in one request are dropped.
constexpr size_t kMostTransactions = 10, kMostWatches = 128, kMostValue = 2048, kMostNodes = 1000, kMostChanges = 1024;
constexpr size_t kMostPermissions = 5, kMostEventBytes = 256 << 10;

using Strings = std::vector<std::string>;

// The payload's strings; a last one without a terminator counts.
Strings strings_of(std::string_view payload) {
  Strings strings;
  while (!payload.empty()) {
    const size_t end = std::min(payload.find('\0'), payload.size());
    strings.emplace_back(payload.substr(0, end));
    payload.remove_prefix(std::min(end + 1, payload.size()));
  }
  return strings;
}

std::string with_nul(std::string text) {
  text.push_back('\0');
  return text;
}

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string parent_of(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string_view::npos ? "/" : std::string(path.substr(0, slash));
}

size_t nodes_of(const XsStore::Node& node, DomId dom) {
  size_t count = node.permissions.front().dom == dom ? 1 : 0;
  for (const auto& [name, child] : node.children) count += nodes_of(child, dom);
  return count;
}

bool is_change(uint32_t type) { return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS; }

bool is_below(std::string_view path, std::string_view top) {
  if (top == "/") return path.starts_with('/');
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace

XsConnection::XsConnection(XsStore& store, DomId dom) : store_(store), dom_(dom) {}

std::string XsConnection::absolute(std::string_view path) const {
  if (path.starts_with('/') || path.starts_with('@')) return std::string(path);
  return fmt::format("/local/domain/{}/{}", dom_.v, path);
}

bool XsConnection::may(const XsStore::Node& node, char what) const {
  if (dom_ == DomId{0} || node.permissions.front().dom == dom_) return true;
  char letter = node.permissions.front().letter;
  for (size_t i = 1; i < node.permissions.size(); ++i) {
    if (node.permissions[i].dom == dom_) letter = node.permissions[i].letter;
  }
  return letter == 'b' || letter == what;
}

// Would the connection have too many nodes, if it made this one and the parents that are missing?
bool XsConnection::over_quota(XsStore& store, std::string_view path) const {
  if (dom_ == DomId{0} || store.find(path) != nullptr) return false;
  size_t missing = 0;
  for (std::string at(path); store.find(at) == nullptr; at = parent_of(at)) ++missing;
  return nodes_of(*store.find("/"), dom_) + missing > kMostNodes;
}

// May the connection make or change this node? Where it is not there yet, its nearest parent says.
bool XsConnection::may_make(XsStore& store, std::string_view path) const {
  std::string at(path);
  while (store.find(at) == nullptr) at = parent_of(at);
  return may(*store.find(at), 'w');
}

XsMessage XsConnection::handle(const XsMessage& request) {
  const auto [ok, payload] = answer(request);
  XsMessage reply = request;
  reply.type = ok ? request.type : uint32_t{XS_ERROR};
  reply.payload = ok ? payload : with_nul(payload);
  return reply;
}

XsConnection::Answer XsConnection::answer(const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  XsStore* store = &store_;
  if (request.transaction != 0 && request.type != XS_TRANSACTION_END) {
    const auto found = transactions_.find(request.transaction);
    if (found == transactions_.end()) return {false, "ENOENT"};
    if (is_change(request.type) && found->second.changed.size() >= kMostChanges) return {false, "ENOSPC"};
    store = &found->second.store;
  }
  const std::string path = strings.empty() ? "" : absolute(strings[0]);
  const bool relative = path.size() != (strings.empty() ? 0 : strings[0].size());
  if (path.size() > XENSTORE_ABS_PATH_MAX || (relative && strings[0].size() > XENSTORE_REL_PATH_MAX)) {
    return {false, "EINVAL"};
  }
  const auto on_path = [&](auto method) -> Answer {
    return XsStore::is_path(path) ? (this->*method)(*store, path) : Answer{false, "EINVAL"};
  };
  const auto on_request = [&](auto method) -> Answer {
    return XsStore::is_path(path) ? (this->*method)(*store, request) : Answer{false, "EINVAL"};
  };
  switch (request.type) {
    case XS_DIRECTORY: return on_path(&XsConnection::directory);
    case XS_DIRECTORY_PART: return on_request(&XsConnection::directory_part);
    case XS_READ: return on_path(&XsConnection::read);
    case XS_WRITE: return on_request(&XsConnection::write);
    case XS_MKDIR: return on_request(&XsConnection::make);
    case XS_RM: return on_request(&XsConnection::remove);
    case XS_GET_PERMS: return on_path(&XsConnection::get_permissions);
    case XS_SET_PERMS: return on_request(&XsConnection::set_permissions);
    case XS_WATCH: return watch(request);
    case XS_UNWATCH: return unwatch(request);
    case XS_RESET_WATCHES:
      watches_.clear();
      transactions_.clear();
      return {true, with_nul("OK")};
    case XS_TRANSACTION_START: return begin_transaction();
    case XS_TRANSACTION_END: return end_transaction(request);
    case XS_GET_DOMAIN_PATH: {
      const auto dom = number(strings.empty() ? std::string_view() : std::string_view(strings[0]));
      return dom ? Answer{true, with_nul(fmt::format("/local/domain/{}", *dom))} : Answer{false, "EINVAL"};
    }
    case XS_IS_DOMAIN_INTRODUCED:
    case XS_INTRODUCE:
    case XS_RELEASE:
    case XS_RESUME:
    case XS_SET_TARGET:
    case XS_CONTROL: return {false, "EACCES"};
    default: return {false, "ENOSYS"};
  }
}

XsConnection::Answer XsConnection::directory(XsStore& store, std::string_view path) {
  const XsStore::Node* node = store.find(path);
  if (node == nullptr) return {false, "ENOENT"};
  if (!may(*node, 'r')) return {false, "EACCES"};
  std::string names;
  for (const auto& [name, child] : node->children) names += with_nul(name);
  if (names.size() > XENSTORE_PAYLOAD_MAX) return {false, "E2BIG"};
  return {true, names};
}

// The generation, then the names from an offset on; an empty name ends the whole list.
XsConnection::Answer XsConnection::directory_part(XsStore& store, const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  const auto offset = number(strings.size() > 1 ? std::string_view(strings[1]) : std::string_view());
  const XsStore::Node* node = store.find(absolute(strings[0]));
  if (node == nullptr) return {false, "ENOENT"};
  if (!may(*node, 'r')) return {false, "EACCES"};
  std::string names;
  for (const auto& [name, child] : node->children) names += with_nul(name);
  if (!offset || *offset > names.size()) return {false, "EINVAL"};
  std::string part = with_nul(std::to_string(store.generation()));
  size_t at = *offset;
  while (at < names.size()) {
    const size_t end = names.find('\0', at) + 1;
    if (part.size() + (end - at) >= XENSTORE_PAYLOAD_MAX) return {true, part};
    part += names.substr(at, end - at);
    at = end;
  }
  return {true, with_nul(part)};
}

XsConnection::Answer XsConnection::read(XsStore& store, std::string_view path) {
  const XsStore::Node* node = store.find(path);
  if (node == nullptr) return {false, "ENOENT"};
  if (!may(*node, 'r')) return {false, "EACCES"};
  return {true, node->value};
}

void XsConnection::change(const XsMessage& request, std::string_view path) {
  if (request.transaction != 0) {
    transactions_.at(request.transaction).changed.emplace_back(path);
  } else {
    node_changed(path);
  }
}

XsConnection::Answer XsConnection::write(XsStore& store, const XsMessage& request) {
  const size_t end = request.payload.find('\0');
  if (end == std::string::npos) return {false, "EINVAL"};
  const std::string path = absolute(std::string_view(request.payload).substr(0, end));
  if (!may_make(store, path)) return {false, "EACCES"};
  if (request.payload.size() - end - 1 > kMostValue || over_quota(store, path)) return {false, "ENOSPC"};
  store.make(path, dom_).value = request.payload.substr(end + 1);
  store.changed();
  change(request, path);
  return {true, with_nul("OK")};
}

XsConnection::Answer XsConnection::make(XsStore& store, const XsMessage& request) {
  const std::string path = absolute(strings_of(request.payload)[0]);
  if (store.find(path) != nullptr) return {true, with_nul("OK")};
  if (!may_make(store, path)) return {false, "EACCES"};
  if (over_quota(store, path)) return {false, "ENOSPC"};
  store.make(path, dom_);
  change(request, path);
  return {true, with_nul("OK")};
}

XsConnection::Answer XsConnection::remove(XsStore& store, const XsMessage& request) {
  const std::string path = absolute(strings_of(request.payload)[0]);
  if (path == "/") return {false, "EINVAL"};
  const XsStore::Node* node = store.find(path);
  if (node == nullptr) {
    // Without an error where only the node itself is missing.
    return store.find(parent_of(path)) != nullptr ? Answer{true, with_nul("OK")} : Answer{false, "ENOENT"};
  }
  if (!may(*node, 'w')) return {false, "EACCES"};
  store.remove(path);
  change(request, path);
  return {true, with_nul("OK")};
}

XsConnection::Answer XsConnection::get_permissions(XsStore& store, std::string_view path) {
  const XsStore::Node* node = store.find(path);
  if (node == nullptr) return {false, "ENOENT"};
  if (!may(*node, 'r')) return {false, "EACCES"};
  std::string text;
  for (const XsPermission& each : node->permissions) text += with_nul(fmt::format("{}{}", each.letter, each.dom.v));
  return {true, text};
}

XsConnection::Answer XsConnection::set_permissions(XsStore& store, const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  const std::string path = absolute(strings[0]);
  XsStore::Node* node = store.find(path);
  if (node == nullptr) return {false, "ENOENT"};
  if (dom_ != DomId{0} && node->permissions.front().dom != dom_) return {false, "EACCES"};
  std::vector<XsPermission> permissions;
  for (size_t i = 1; i < strings.size(); ++i) {
    const auto dom = number(std::string_view(strings[i]).substr(strings[i].empty() ? 0 : 1));
    if (!dom || *dom > UINT16_MAX || std::string_view("nrwb").find(strings[i][0]) == std::string_view::npos)
      return {false, "EINVAL"};
    permissions.push_back({strings[i][0], DomId{static_cast<uint16_t>(*dom)}});
  }
  if (permissions.empty()) return {false, "EINVAL"};
  if (dom_ != DomId{0} && permissions.size() > kMostPermissions) return {false, "ENOSPC"};
  node->permissions = std::move(permissions);
  store.changed();
  change(request, path);
  return {true, with_nul("OK")};
}

// A new watch fires once at once.
XsConnection::Answer XsConnection::watch(const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  if (strings.size() < 2) return {false, "EINVAL"};
  const std::string path = absolute(strings[0]);
  const bool special = strings[0].starts_with('@');
  if (!special && !XsStore::is_path(path)) return {false, "EINVAL"};
  for (const Watch& each : watches_) {
    if (each.path == path && each.token == strings[1]) return {false, "EEXIST"};
  }
  if (watches_.size() >= kMostWatches) return {false, "E2BIG"};
  watches_.push_back({path, strings[0], strings[1]});
  events_.push_back({XS_WATCH_EVENT, 0, 0, with_nul(strings[0]) + with_nul(strings[1])});
  return {true, with_nul("OK")};
}

XsConnection::Answer XsConnection::unwatch(const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  if (strings.size() < 2) return {false, "EINVAL"};
  const std::string path = absolute(strings[0]);
  const auto removed =
      std::erase_if(watches_, [&](const Watch& each) { return each.path == path && each.token == strings[1]; });
  return removed != 0 ? Answer{true, with_nul("OK")} : Answer{false, "ENOENT"};
}

// A relative watch is told paths relative as well.
void XsConnection::node_changed(std::string_view path) {
  for (const Watch& each : watches_) {
    if (!is_below(path, each.path)) continue;
    const std::string_view rest = path.substr(each.path == "/" ? 0 : each.path.size());
    size_t bytes = 0;
    for (const XsMessage& event : events_) bytes += event.payload.size();
    if (bytes > kMostEventBytes) return;
    events_.push_back({XS_WATCH_EVENT, 0, 0, with_nul(each.given + std::string(rest)) + with_nul(each.token)});
  }
}

XsConnection::Answer XsConnection::begin_transaction() {
  if (transactions_.size() >= kMostTransactions) return {false, "ENOSPC"};
  const uint32_t id = next_transaction_++;
  transactions_.emplace(id, Transaction{store_, store_.generation(), {}});
  return {true, with_nul(std::to_string(id))};
}

XsConnection::Answer XsConnection::end_transaction(const XsMessage& request) {
  const Strings strings = strings_of(request.payload);
  const auto found = transactions_.find(request.transaction);
  if (found == transactions_.end()) return {false, "ENOENT"};
  Transaction transaction = std::move(found->second);
  transactions_.erase(found);
  if (strings.empty() || (strings[0] != "T" && strings[0] != "F")) return {false, "EINVAL"};
  if (strings[0] == "F") return {true, with_nul("OK")};
  if (store_.generation() != transaction.began) return {false, "EAGAIN"};
  if (!transaction.changed.empty()) store_ = std::move(transaction.store);
  for (const std::string& path : transaction.changed) node_changed(path);
  return {true, with_nul("OK")};
}

}  // namespace xensim::pv
