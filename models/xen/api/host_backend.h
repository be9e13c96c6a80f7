// HostBackend: the host operations of the core with names and types of their own, for a backend outside any guest; and
// EventSinks, where its Platform puts the events.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>

#include "models/xen/api/core_api.h"

namespace xensim::xen {

// Borrows the core. Acts as the domain `host`, which is privileged. Every call is an entry into the core.
class HostBackend {
 public:
  HostBackend(CoreApi& core, DomId host) : core_(core), host_(host) {}

  // status: GNTST_*. The page stays where it is, whatever becomes of its owner, until the handle is unmapped.
  struct Mapping {
    int16_t status = 0;
    GrantHandle handle{};
    Maddr at{};
  };
  Mapping map(DomId guest, GrantRef ref, bool readonly);
  // GNTST_*
  int16_t unmap(GrantHandle handle);
  int16_t copy_from(DomId guest, GrantRef ref, uint32_t offset, std::span<std::byte> to);
  int16_t copy_to(DomId guest, GrantRef ref, uint32_t offset, std::span<const std::byte> from);

  // A port of the host's for an unbound one of the guest's, listened to from the start; or a negative errno.
  int64_t bind(DomId guest, Port remote);
  // 0 or a negative errno.
  int listen(Port port);
  int ignore(Port port);
  int notify(Port port);
  int destroy(DomId guest);

 private:
  HostResult call(HostOpKind kind, DomId guest, uint32_t number);

  CoreApi& core_;
  const DomId host_;
};

// Who is told of an event on a port: a function, or a counter that is read and cleared as an eventfd is. Its owner
// makes sure that one thread is here at a time.
class EventSinks {
 public:
  void call(Port port, std::function<void()> function) { functions_[port] = std::move(function); }
  void count(Port port) { counters_[port] = 0; }
  void forget(Port port);
  // From Platform::host_event. false: nobody wants it.
  bool deliver(Port port);
  // How many events came since the last time.
  uint64_t take(Port port);

 private:
  std::map<Port, std::function<void()>> functions_;
  std::map<Port, uint64_t> counters_;
};

}  // namespace xensim::xen
