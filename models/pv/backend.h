// What a service behind an event channel is to the machine: it is told of the guest's notifications, and says whether
// the guest is to be notified. It runs outside the core, at points the machine's schedule decides.
#pragma once

namespace xensim::pv {

class Backend {
 public:
  virtual ~Backend() = default;
  // The guest sent an event on the backend's port. true: notify the guest on the same port.
  virtual bool notified() = 0;
};

}  // namespace xensim::pv
