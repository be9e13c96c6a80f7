// XENMEM_acquire_resource: maps a resource of another domain (its grant table) into the caller's memory. In Xen only
// the host-kernel domain may, of those whose memory is translated.
#include <optional>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/continuation.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/physmap.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kIoreqFramesMin = 2;  // one ring for buffered requests, one page for 128 vCPUs

// struct xen_mem_acquire_resource, of either width.
struct Request {
  uint16_t domid = 0;
  uint16_t type = 0;
  uint32_t id = 0;
  uint32_t nr_frames = 0;
  uint32_t pad = 0;
  uint64_t frame = 0;
  uint64_t frame_list = 0;
};
constexpr uint64_t kNrFramesOffset = 8;  // in both widths

template <class Raw>
bool read_raw(HypercallContext& context, Gva at, Request& request) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  request = {raw.domid, raw.type, raw.id, raw.nr_frames, raw.pad, raw.frame, handle_value(raw.frame_list)};
  return true;
}

bool read_request(HypercallContext& context, Gva at, Request& request) {
  return context.mode64() ? read_raw<xen_mem_acquire_resource>(context, at, request)
                          : read_raw<abi32::xen_mem_acquire_resource>(context, at, request);
}

bool read_gfn(HypercallContext& context, uint64_t list, uint64_t index, uint64_t& gfn) {
  if (context.mode64()) return read_guest(context, Gva{list + index * 8}, gfn);
  uint32_t gfn32 = 0;
  if (!read_guest(context, Gva{list + index * 4}, gfn32)) return false;
  gfn = gfn32;
  return true;
}

// How long the resource is, in frames; 0: there is no such resource.
uint32_t resource_frames(Domain& domain, const Request& request) {
  switch (request.type) {
    case XENMEM_resource_grant_table:
      return request.id == XENMEM_resource_grant_table_id_shared ? domain.grants().max_frames() : 0;
    case XENMEM_resource_ioreq_server: return kIoreqFramesMin;
    default: return 0;  // no domain has a processor trace
  }
}

// The frame at `index` of the resource; an errno if there is none.
int64_t resource_frame(HypercallContext& context, Domain& domain, const Request& request, uint64_t index, Mfn& frame) {
  if (request.type == XENMEM_resource_ioreq_server) return -XEN_ENOENT;  // nobody makes an ioreq server
  GrantTable& grants = domain.grants();
  const LockGuard guard(context, grants.lock);
  if (index >= grants.max_frames() || !grants.grow(static_cast<uint32_t>(index) + 1)) return -XEN_EINVAL;
  frame = grants.frame(static_cast<uint32_t>(index));
  return 0;
}

constexpr uint64_t kStride = 32;  // frames between two looks for an event

int64_t map_frames(HypercallContext& context, Domain& domain, const Request& request, uint64_t start, Gva at) {
  for (uint64_t i = start; i < request.nr_frames; ++i) {
    if (i != start && (i - start) % kStride == 0 && should_preempt(context)) {
      return continue_later(context, __HYPERVISOR_memory_op, {XENMEM_acquire_resource | i << kExtentShift, at.v});
    }
    Mfn frame;
    if (const int64_t error = resource_frame(context, domain, request, request.frame + i, frame); error != 0) {
      return error;
    }
    uint64_t gfn = 0;
    if (!read_gfn(context, request.frame_list, i, gfn)) return -XEN_EFAULT;
    if (const int64_t error = map_foreign_frame(context, domain, frame, Gfn{gfn}); error != 0) {
      return i == start ? error : -XEN_EIO;
    }
  }
  return 0;
}

// The 32-bit entry looks at the list before anything else. 0 or an errno.
int64_t check_narrow(HypercallContext& context, const Request& request, uint64_t start) {
  if (request.frame_list == 0 || request.nr_frames == 0) return 0;
  if (start >= request.nr_frames) return -XEN_EINVAL;
  uint64_t gfn = 0;
  return read_gfn(context, request.frame_list, start, gfn) ? 0 : -XEN_EFAULT;
}

}  // namespace

int64_t acquire_resource(HypercallContext& context, uint64_t start, Gva at) {
  Request request;
  if (!context.mode64()) {
    if (!read_request(context, at, request)) return -XEN_EFAULT;
    if (const int64_t error = check_narrow(context, request, start); error != 0) return error;
  }
  if (!context.domain.privileged()) return -XEN_EACCES;
  if (context.mode64() && !read_request(context, at, request)) return -XEN_EFAULT;
  if (request.pad != 0 || request.frame >> 32 != 0 || (request.frame + request.nr_frames) >> 32 != 0) {
    return -XEN_EINVAL;
  }
  Domain* const domain = context.hv.find_domain(DomId{request.domid});
  if (domain == nullptr) return -XEN_ESRCH;
  if (domain == &context.domain) return -XEN_EPERM;
  const uint32_t frames = resource_frames(*domain, request);
  if (frames == 0) return -XEN_EINVAL;
  if (request.frame_list == 0) {
    if (request.nr_frames != 0 || start != 0) return -XEN_EINVAL;
    return write_guest(context, Gva{at.v + kNrFramesOffset}, frames) ? 0 : -XEN_EFAULT;
  }
  if (start >= request.nr_frames || request.nr_frames > kMaxExtents) return -XEN_EINVAL;
  return map_frames(context, *domain, request, start, at);
}

}  // namespace xensim::xen
