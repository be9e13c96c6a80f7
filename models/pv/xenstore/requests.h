// Xenstore's requests, for one connection of one domain: what a request answers, and which watches fire.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/pv/xenstore/store.h"

namespace xensim::pv {

// A message of the wire protocol (io/xs_wire.h), in either direction.
struct XsMessage {
  uint32_t type = 0;
  uint32_t request = 0;
  uint32_t transaction = 0;
  std::string payload;
};

class XsConnection {
 public:
  // `store` outlives this.
  XsConnection(XsStore& store, DomId dom);

  // Answers a request; then take_events() has the watch events it caused on this connection.
  XsMessage handle(const XsMessage& request);
  std::deque<XsMessage> take_events() { return std::exchange(events_, {}); }
  // A change made by another: watches on it fire.
  void node_changed(std::string_view path);
  // Watches and transactions, without the store, for a saved machine.
  void fields(StateArchive& ar);

 private:
  struct Watch {
    std::string path;   // absolute
    std::string given;  // as the guest wrote it
    std::string token;
  };
  struct Transaction {
    XsStore store;
    uint64_t began = 0;  // generation of the real store
    std::vector<std::string> changed;
  };
  using Answer = std::pair<bool, std::string>;  // ok and payload, or not and the error's name

  Answer answer(const XsMessage& request);
  Answer directory(XsStore& store, std::string_view path);
  Answer directory_part(XsStore& store, const XsMessage& request);
  Answer read(XsStore& store, std::string_view path);
  Answer write(XsStore& store, const XsMessage& request);
  Answer make(XsStore& store, const XsMessage& request);
  Answer remove(XsStore& store, const XsMessage& request);
  Answer get_permissions(XsStore& store, std::string_view path);
  Answer set_permissions(XsStore& store, const XsMessage& request);
  Answer watch(const XsMessage& request);
  Answer unwatch(const XsMessage& request);
  Answer begin_transaction();
  Answer end_transaction(const XsMessage& request);
  std::string absolute(std::string_view path) const;
  bool may(const XsStore::Node& node, char what) const;
  bool may_make(XsStore& store, std::string_view path) const;
  bool over_quota(XsStore& store, std::string_view path) const;
  void change(const XsMessage& request, std::string_view path);

  XsStore& store_;
  const DomId dom_;
  std::vector<Watch> watches_;
  std::map<uint32_t, Transaction> transactions_;
  uint32_t next_transaction_ = 1;
  std::deque<XsMessage> events_;
};

}  // namespace xensim::pv
