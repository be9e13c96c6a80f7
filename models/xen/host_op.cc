#include "models/xen/host_op.h"

#include "models/xen/abi/public.h"
#include "models/xen/domain_end.h"
#include "models/xen/evtchn.h"
#include "models/xen/grant_acquire.h"
#include "models/xen/grant_map.h"
#include "models/xen/p2m.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {
namespace {

HostResult map_outside(Entry& entry, Domain& host, const HostOp& op) {
  GrantMapping mapping{.granter = op.guest.v,
                       .ref = op.number,
                       .flags = GNTMAP_host_map | (op.readonly ? GNTMAP_readonly : 0u),
                       .outside = true};
  const int16_t status = map_grant(entry, host, 0, mapping);
  if (status != GNTST_okay) return {status};
  return {status, mapping.handle, Maddr{mapping.frame.v << kPageShift}};
}

HostResult unmap_outside(Entry& entry, Domain& host, const HostOp& op) {
  GrantUnmapping unmapping{.host_addr = ~uint64_t{0}, .handle = op.number, .outside = true};
  const int16_t status = unmap_grant(entry, host, unmapping);
  complete_unmap(entry, unmapping);
  return {status};
}

int16_t copy_pinned(Entry& entry, const HostOp& op, const GrantedPage& page, size_t bytes) {
  if (op.offset > kPageSize || op.offset + bytes > kPageSize) return GNTST_bad_copy_arg;
  if (op.offset < page.start || op.offset + bytes > page.start + page.length) return GNTST_general_error;
  const Maddr at{(page.frame.v << kPageShift) + op.offset};
  if (op.kind == HostOpKind::kCopyFromGrant) {
    entry.platform().read(Site::kGuestData, at, op.buffer);
  } else {
    entry.platform().write(Site::kGuestData, at, op.data);
  }
  return GNTST_okay;
}

HostResult copy_outside(Entry& entry, Domain& host, const HostOp& op) {
  Domain* const granter = entry.hv.find_domain(op.guest);
  if (granter == nullptr) return {GNTST_bad_domain};
  const bool from = op.kind == HostOpKind::kCopyFromGrant;
  GrantedPage page;
  int16_t status = acquire_grant(entry, *granter, op.number, host.id(), from, page);
  if (status != GNTST_okay) return {status};
  status = copy_pinned(entry, op, page, from ? op.buffer.size() : op.data.size());
  release_grant(entry, *granter, op.number, from);
  page.owner->p2m().drop_reference(page.frame);
  bury_if_unused(entry, *page.owner);
  return {status};
}

// An event that is pending already is delivered now.
int64_t listen(Entry& entry, Domain& host, uint32_t port) {
  Channel* const channel = host.evtchn.find(port);
  if (channel == nullptr) return -XEN_EINVAL;
  const LockGuard guard(entry, host.evtchn.event_lock);
  const LockGuard channel_guard(entry, channel->lock);
  if (!channel->usable()) return -XEN_EINVAL;
  channel->outside.store(true);
  if (host.evtchn.ops().is_pending(entry, host, *channel)) {
    host.evtchn.ops().clear_pending(entry, host, *channel);
    entry.platform().host_event(host.id(), Port{port});
  }
  return 0;
}

int64_t ignore(Entry& entry, Domain& host, uint32_t port) {
  Channel* const channel = host.evtchn.find(port);
  if (channel == nullptr) return -XEN_ENOENT;
  const LockGuard guard(entry, host.evtchn.event_lock);
  const LockGuard channel_guard(entry, channel->lock);
  return channel->outside.exchange(false) ? 0 : -XEN_ENOENT;
}

int64_t notify(Entry& entry, Domain& host, uint32_t port) {
  Channel* const channel = host.evtchn.find(port);
  if (channel == nullptr || !channel->outside.load()) return -XEN_ENOENT;
  return send_event(entry, host, port);
}

HostResult bind_outside(Entry& entry, Domain& host, const HostOp& op) {
  Domain* const remote = entry.hv.find_domain(op.guest);
  if (remote == nullptr) return {-XEN_ESRCH};
  const int64_t port = bind_interdomain(entry, host, *remote, op.number);
  if (port < 0) return {static_cast<int32_t>(port)};
  const int64_t status = listen(entry, host, static_cast<uint32_t>(port));
  return {static_cast<int32_t>(status), static_cast<uint32_t>(port)};
}

HostResult destroy(Entry& entry, const HostOp& op) {
  Domain* const domain = entry.hv.find_domain(op.guest);
  if (domain == nullptr) return {-XEN_ESRCH};
  destroy_domain(entry, *domain);
  return {0};
}

}  // namespace

HostResult do_host_op(Entry& entry, const HostOp& op) {
  Domain* const host = entry.hv.find_domain(op.host);
  if (host == nullptr) return {-XEN_ESRCH};
  if (!host->privileged()) return {-XEN_EPERM};
  switch (op.kind) {
    case HostOpKind::kMapGrant: return map_outside(entry, *host, op);
    case HostOpKind::kUnmapGrant: return unmap_outside(entry, *host, op);
    case HostOpKind::kCopyFromGrant:
    case HostOpKind::kCopyToGrant: return copy_outside(entry, *host, op);
    case HostOpKind::kBindPort: return bind_outside(entry, *host, op);
    case HostOpKind::kListen: return {static_cast<int32_t>(listen(entry, *host, op.number))};
    case HostOpKind::kIgnore: return {static_cast<int32_t>(ignore(entry, *host, op.number))};
    case HostOpKind::kNotify: return {static_cast<int32_t>(notify(entry, *host, op.number))};
    case HostOpKind::kDestroyDomain: return destroy(entry, op);
  }
  return {-XEN_ENOSYS};
}

}  // namespace xensim::xen
