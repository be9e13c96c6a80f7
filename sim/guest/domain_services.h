// What runs in domain 0 for a guest: xenstore's server and the console's backend, on the guest's ring pages.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "models/pv/console.h"
#include "models/pv/xenstore/server.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

class DomainServices {
 public:
  // The pages outlive this. `output` gets what the guest writes on its console.
  DomainServices(DomId dom, const GuestConfig& config, std::span<std::byte> store_page,
                 std::span<std::byte> console_page, std::function<void(std::string_view)> output);

  pv::Backend& store() { return server_; }
  pv::Console& console() { return console_; }
  // What is not in the pages, for a saved machine.
  void fields(StateArchive& ar);

 private:
  pv::XsStore tree_;
  pv::XsServer server_;
  pv::Console console_;
};

}  // namespace xensim::sim
