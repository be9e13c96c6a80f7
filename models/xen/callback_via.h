// What HVM_PARAM_CALLBACK_IRQ says (hvm/params.h): how a domain is told of its upcalls.
#pragma once

#include <cstdint>

#include "models/xen/api/flavour.h"

namespace xensim::xen {

struct CallbackVia {
  enum class Type { kNone, kGsi, kPciIntx, kVector };

  Type type = Type::kNone;
  uint8_t vector = 0;
  uint32_t gsi = 0;  // of kGsi and kPciIntx; 0: there is no such line
};

// Any value is accepted; one that means nothing is none.
CallbackVia decode_via(const Flavour& flavour, uint64_t value);

}  // namespace xensim::xen
