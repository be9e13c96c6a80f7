// The tables of fields of the services, as models/xen/state/fields.h has them for the core. What is read may have been
// made by anybody.
#include <algorithm>

#include "models/pv/console.h"
#include "models/pv/xenstore/server.h"

namespace xensim::pv {

namespace {

// Bounds far above what the protocol lets a guest have.
constexpr uint64_t kMostText = 1 << 20, kMostPath = 1 << 14, kMostNodes = 1 << 20, kMostPermissions = 4096;
constexpr uint64_t kMostWatches = 4096, kMostTransactions = 64, kMostChanges = 1 << 20, kMostMessages = 1 << 16;

void node_fields(StateArchive& ar, XsStore::Node& node) {
  ar("value", node.value, kMostText);
  ar.each("permissions", node.permissions, kMostPermissions, [&](XsPermission& permission) {
    ar("letter", permission.letter);
    ar("dom", permission.dom);
  });
  if (node.permissions.empty()) ar.fail("a node of the store belongs to nobody");
}

struct Flat {
  std::string path;
  XsStore::Node* node;
};

void flatten(const std::string& path, XsStore::Node& node, std::vector<Flat>& out) {
  out.push_back({path.empty() ? "/" : path, &node});
  for (auto& [name, child] : node.children) {
    std::string below = path;
    below += '/';
    flatten(below.append(name), child, out);
  }
}

void message_fields(StateArchive& ar, XsMessage& message) {
  ar("type", message.type);
  ar("request", message.request);
  ar("transaction", message.transaction);
  ar("payload", message.payload, kMostText);
}

}  // namespace

// Nodes by path, parents first: no depth of anybody's making is a depth of calls.
void XsStore::fields(StateArchive& ar) {
  std::vector<Flat> nodes;
  if (!ar.loading()) flatten("", root_, nodes);
  const uint64_t count = ar.size("nodes", nodes.size(), kMostNodes);
  if (ar.loading()) root_ = Node{};
  for (uint64_t i = 0; i < count && ar.ok(); ++i) {
    std::string path = ar.loading() ? std::string() : nodes[i].path;
    ar("path", path, kMostPath);
    if (ar.loading()) {
      if (!is_path(path)) return ar.fail("the store has a node of no path");
      // The parents' permissions came before, or are made up here: never none.
      if (root_.permissions.empty()) root_.permissions = {{'n', DomId{0}}};
    }
    node_fields(ar, ar.loading() ? make(path, DomId{0}) : *nodes[i].node);
  }
  ar("generation", generation_);
  if (ar.loading() && root_.permissions.empty()) ar.fail("the store has no root");
}

void XsConnection::fields(StateArchive& ar) {
  ar.each("watches", watches_, kMostWatches, [&](Watch& watch) {
    ar("path", watch.path, kMostPath);
    ar("given", watch.given, kMostPath);
    ar("token", watch.token, kMostPath);
  });
  const uint64_t count = ar.size("transactions", transactions_.size(), kMostTransactions);
  if (ar.loading()) transactions_.clear();
  auto next = transactions_.begin();
  for (uint64_t i = 0; i < count && ar.ok(); ++i) {
    uint32_t id = ar.loading() ? 0 : next->first;
    ar("id", id);
    Transaction& transaction = ar.loading() ? transactions_[id] : next->second;
    transaction.store.fields(ar);
    ar("began", transaction.began);
    ar.each("changed", transaction.changed, kMostChanges, [&](std::string& path) { ar("path", path, kMostPath); });
    if (!ar.loading()) ++next;
  }
  ar("next_transaction", next_transaction_);
  ar.each("events", events_, kMostMessages, [&](XsMessage& event) { message_fields(ar, event); });
}

void XsServer::fields(StateArchive& ar) {
  connection_.fields(ar);
  ar("in", in_, kMostText);
  ar("out", out_, kMostText);
  ar("broken", broken_);
}

void Console::fields(StateArchive& ar) { ar("waiting", waiting_, kMostText); }

}  // namespace xensim::pv
