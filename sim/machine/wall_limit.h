// WallLimit: how long a run may take on the host's clock. The one thing of the host's that can end a run, so the one
// that is not the same each time; a run that it does not end is as it would be without.
#pragma once

#include <cstdint>
#include <string>

namespace xensim::sim {

class WallLimit {
 public:
  virtual ~WallLimit() = default;
  // Of real time, until it is over; 0: it is. Cheap: the machine asks each turn.
  virtual uint64_t ns_left() const = 0;
  // As the user wrote it: "2s".
  virtual const std::string& words() const = 0;
};

}  // namespace xensim::sim
