// HostBackend: see models/xen/api/host_backend.h.
#include "models/xen/api/host_backend.h"

#include <utility>

namespace xensim::xen {

HostResult HostBackend::call(HostOpKind kind, DomId guest, uint32_t number) {
  return core_.host_op({.kind = kind, .host = host_, .guest = guest, .number = number});
}

HostBackend::Mapping HostBackend::map(DomId guest, GrantRef ref, bool readonly) {
  const HostResult result = core_.host_op(
      {.kind = HostOpKind::kMapGrant, .host = host_, .guest = guest, .number = ref.v, .readonly = readonly});
  return {static_cast<int16_t>(result.status), GrantHandle{result.number}, result.at};
}

int16_t HostBackend::unmap(GrantHandle handle) {
  return static_cast<int16_t>(call(HostOpKind::kUnmapGrant, {}, handle.v).status);
}

int16_t HostBackend::copy_from(DomId guest, GrantRef ref, uint32_t offset, std::span<std::byte> to) {
  const HostResult result = core_.host_op({.kind = HostOpKind::kCopyFromGrant,
                                           .host = host_,
                                           .guest = guest,
                                           .number = ref.v,
                                           .offset = offset,
                                           .buffer = to});
  return static_cast<int16_t>(result.status);
}

int16_t HostBackend::copy_to(DomId guest, GrantRef ref, uint32_t offset, std::span<const std::byte> from) {
  const HostResult result = core_.host_op({.kind = HostOpKind::kCopyToGrant,
                                           .host = host_,
                                           .guest = guest,
                                           .number = ref.v,
                                           .offset = offset,
                                           .data = from});
  return static_cast<int16_t>(result.status);
}

int64_t HostBackend::bind(DomId guest, Port remote) {
  const HostResult result = call(HostOpKind::kBindPort, guest, remote.v);
  return result.status < 0 ? int64_t{result.status} : int64_t{result.number};
}

int HostBackend::listen(Port port) { return call(HostOpKind::kListen, {}, port.v).status; }
int HostBackend::ignore(Port port) { return call(HostOpKind::kIgnore, {}, port.v).status; }
int HostBackend::notify(Port port) { return call(HostOpKind::kNotify, {}, port.v).status; }
int HostBackend::destroy(DomId guest) { return call(HostOpKind::kDestroyDomain, guest, 0).status; }

void EventSinks::forget(Port port) {
  functions_.erase(port);
  counters_.erase(port);
}

bool EventSinks::deliver(Port port) {
  bool wanted = false;
  if (const auto counter = counters_.find(port); counter != counters_.end()) {
    ++counter->second;
    wanted = true;
  }
  if (const auto function = functions_.find(port); function != functions_.end()) {
    function->second();
    wanted = true;
  }
  return wanted;
}

uint64_t EventSinks::take(Port port) {
  const auto counter = counters_.find(port);
  return counter == counters_.end() ? 0 : std::exchange(counter->second, 0);
}

}  // namespace xensim::xen
