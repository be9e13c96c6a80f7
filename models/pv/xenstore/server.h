// Xenstore's server for one guest: the ring in its store page, requests in and replies out. Messages may come in
// pieces; replies that find no room wait.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "models/pv/backend.h"
#include "models/pv/ring_view.h"
#include "models/pv/xenstore/requests.h"

namespace xensim::pv {

class XsServer final : public Backend {
 public:
  // `page` is the guest's store page, and outlives this, like `store`.
  XsServer(std::span<std::byte> page, XsStore& store, DomId dom);

  bool notified() override;
  // What is not in the page, without the store, for a saved machine.
  void fields(StateArchive& ar);

 private:
  void take_message();
  bool flush();

  RingView requests_;
  RingView replies_;
  XsConnection connection_;
  std::string in_;
  std::string out_;
  bool broken_ = false;  // the guest broke the protocol: it is not listened to any more
};

}  // namespace xensim::pv
