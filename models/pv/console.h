// The Xen console's backend (xenconsoled): the ring in the console page, in both directions.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "models/base/archive.h"
#include "models/pv/backend.h"
#include "models/pv/ring_view.h"

namespace xensim::pv {

class Console final : public Backend {
 public:
  // `page` is the guest's console page, and outlives this; `output` gets what the guest wrote.
  Console(std::span<std::byte> page, std::function<void(std::string_view)> output);

  bool notified() override;
  // Bytes for the guest; what finds no room waits, up to 64 KiB. true: notify the guest.
  bool input(std::string_view bytes);
  // What is not in the page, for a saved machine.
  void fields(StateArchive& ar);

 private:
  bool refill();

  RingView out_;
  RingView in_;
  std::function<void(std::string_view)> output_;
  std::string waiting_;
};

}  // namespace xensim::pv
