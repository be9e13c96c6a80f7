// XENMEM add_to_physmap, its batch, remove_from_physmap and acquire_resource: what lies where in a domain's memory.
#include <algorithm>
#include <array>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/continuation.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/physmap.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kMaxStart = 0xffff;     // `size` has 16 bits
constexpr uint64_t kNoGfn = ~uint64_t{0};  // INVALID_GFN; a 32-bit caller cannot say it
constexpr uint64_t kCompatChunk = (2 * kPageSize - sizeof(xen_add_to_physmap_batch)) / 16;

// struct xen_add_to_physmap, of either width.
struct MapRequest {
  uint16_t domid = 0;
  uint16_t size = 0;
  uint32_t space = 0;
  uint64_t idx = 0;
  uint64_t gpfn = 0;
};

template <class Raw>
bool read_map_request(HypercallContext& context, Gva at, MapRequest& request) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  request = {raw.domid, raw.size, raw.space, raw.idx, raw.gpfn};
  return true;
}

// struct xen_add_to_physmap_batch, of either width.
struct BatchRequest {
  uint16_t domid = 0;
  uint16_t space = 0;
  uint16_t size = 0;
  uint16_t extra = 0;  // foreign domain, or reserved
  uint64_t idxs = 0, gpfns = 0, errs = 0;
  Gva at;  // where it was read
};

template <class Raw>
bool read_batch_request(HypercallContext& context, Gva at, BatchRequest& request) {
  Raw raw;
  if (!read_guest(context, at, raw)) return false;
  request = {raw.domid,
             raw.space,
             raw.size,
             raw.u.foreign_domid,
             handle_value(raw.idxs),
             handle_value(raw.gpfns),
             handle_value(raw.errs),
             at};
  return true;
}

// May the caller change the map of `domid`, and by this space? 0 with `domain`, or an errno.
int64_t find_map_target(HypercallContext& context, uint16_t domid, uint32_t space, Domain*& domain) {
  domain = context.domain_by_any_id(DomId{domid});
  if (domain == nullptr) return domid == 0 ? -XEN_EACCES : -XEN_ESRCH;
  const bool itself = domain == &context.domain;
  // Device memory is the host-kernel domain's, for itself.
  if (space == XENMAPSPACE_dev_mmio && !(itself && context.domain.privileged())) return -XEN_EACCES;
  return itself || context.domain.privileged() ? 0 : -XEN_EPERM;
}

// Goes on with entry `done` of the call whose argument is at `at`.
int64_t go_on(HypercallContext& context, uint32_t op, uint64_t done, Gva at) {
  return continue_later(context, __HYPERVISOR_memory_op, {op | done << kExtentShift, at.v});
}

int64_t map_range(HypercallContext& context, Domain& domain, const MapRequest& request, uint64_t start, Gva at) {
  if (request.size < start) return -XEN_EILSEQ;
  if (request.idx + request.size < request.idx || request.gpfn + request.size < request.gpfn) return -XEN_EOVERFLOW;
  for (uint64_t i = start; i < request.size; ++i) {
    if (i != start && should_preempt(context)) return go_on(context, XENMEM_add_to_physmap, i, at);
    const int64_t result = map_to_physmap(context, domain, XENMAPSPACE_gmfn, request.idx + i, Gfn{request.gpfn + i});
    if (result < 0) return result;
  }
  return 0;
}

bool read_number(HypercallContext& context, uint64_t list, uint64_t index, uint64_t& value) {
  if (context.mode64()) return read_guest(context, Gva{list + index * 8}, value);
  uint32_t value32 = 0;
  if (!read_guest(context, Gva{list + index * 4}, value32)) return false;
  value = value32;
  return true;
}

struct BatchEntry {
  uint64_t idx = 0, gpfn = 0;
};

// Maps one entry and writes its error; 0, or what ends the call.
int64_t map_batch_entry(HypercallContext& context, Domain& domain, const BatchRequest& request, uint64_t index,
                        const BatchEntry& entry) {
  if (entry.gpfn == kNoGfn) return -XEN_EINVAL;
  const int64_t result = request.space == XENMAPSPACE_gmfn_foreign
                             ? map_foreign(context, domain, DomId{request.extra}, Gfn{entry.idx}, Gfn{entry.gpfn})
                             : map_to_physmap(context, domain, request.space, entry.idx, Gfn{entry.gpfn});
  const auto error = static_cast<int32_t>(result);
  return write_guest(context, Gva{request.errs + index * sizeof(error)}, error) ? 0 : -XEN_EFAULT;
}

bool read_batch_entry(HypercallContext& context, const BatchRequest& request, uint64_t index, BatchEntry& entry) {
  return read_number(context, request.idxs, index, entry.idx) && read_number(context, request.gpfns, index, entry.gpfn);
}

int64_t map_batch(HypercallContext& context, Domain& domain, const BatchRequest& request, uint64_t first, uint64_t end,
                  std::span<const BatchEntry> ahead) {
  for (uint64_t i = first; i < end; ++i) {
    if (i != first && should_preempt(context)) return go_on(context, XENMEM_add_to_physmap_batch, i, request.at);
    BatchEntry entry;
    if (!ahead.empty()) {
      entry = ahead[i - first];
    } else if (!read_batch_entry(context, request, i, entry)) {
      return -XEN_EFAULT;
    }
    if (const int64_t error = map_batch_entry(context, domain, request, i, entry); error != 0) return error;
  }
  return 0;
}

// Order of checks after the struct was read; `start` at most `size`.
int64_t check_batch(const BatchRequest& request, uint64_t start) {
  if (request.size < start) return -XEN_EILSEQ;
  if (request.size == start) return start != 0 ? -XEN_EILSEQ : 0;
  return request.space == XENMAPSPACE_dev_mmio && request.extra != 0 ? -XEN_EOPNOTSUPP : 0;
}

int64_t batch_for(HypercallContext& context, const BatchRequest& request, uint64_t start, uint64_t end,
                  std::span<const BatchEntry> ahead) {
  if (request.space == XENMAPSPACE_gmfn_range) return -XEN_EOPNOTSUPP;
  Domain* domain = nullptr;
  if (const int64_t error = find_map_target(context, request.domid, request.space, domain); error != 0) return error;
  if (const int64_t error = check_batch(request, start); error != 0) return error;
  return map_batch(context, *domain, request, start, end, ahead);
}

// A 32-bit caller's lists are translated a chunk at a time, before anything of the chunk is done.
int64_t batch_by_chunks(HypercallContext& context, const BatchRequest& request, uint64_t start) {
  for (;;) {
    const uint64_t end = std::min<uint64_t>(start + kCompatChunk, request.size);
    std::vector<BatchEntry> ahead(end > start ? end - start : 0);
    for (uint64_t i = start; i < end; ++i) {
      if (!read_batch_entry(context, request, i, ahead[i - start])) return -XEN_EFAULT;
    }
    if (start > kMaxStart) return -XEN_EDOM;
    const int64_t result = batch_for(context, request, start, end, ahead);
    if (result != 0 || end >= request.size) return result;
    start = end;
    if (should_preempt(context)) return go_on(context, XENMEM_add_to_physmap_batch, start, request.at);
  }
}

}  // namespace

int64_t add_to_physmap(HypercallContext& context, uint64_t start, Gva at) {
  MapRequest request;
  // A 32-bit caller's struct is translated before all else.
  if (!context.mode64() && !read_map_request<abi32::xen_add_to_physmap>(context, at, request)) return -XEN_EFAULT;
  if (start > kMaxStart) return -XEN_EDOM;
  if (context.mode64() && !read_map_request<xen_add_to_physmap>(context, at, request)) return -XEN_EFAULT;
  if (request.space == XENMAPSPACE_gmfn_foreign) return -XEN_ENOSYS;  // only in a batch
  Domain* domain = nullptr;
  if (const int64_t error = find_map_target(context, request.domid, request.space, domain); error != 0) return error;
  if (request.gpfn == kNoGfn) return -XEN_EINVAL;
  if (request.space == XENMAPSPACE_gmfn_range) return map_range(context, *domain, request, start, at);
  return map_to_physmap(context, *domain, request.space, request.idx, Gfn{request.gpfn});
}

int64_t add_to_physmap_batch(HypercallContext& context, uint64_t start, Gva at) {
  BatchRequest request;
  if (!context.mode64()) {
    if (!read_batch_request<abi32::xen_add_to_physmap_batch>(context, at, request)) return -XEN_EFAULT;
    return batch_by_chunks(context, request, start);
  }
  if (start > kMaxStart) return -XEN_EDOM;
  if (!read_batch_request<xen_add_to_physmap_batch>(context, at, request)) return -XEN_EFAULT;
  return batch_for(context, request, start, request.size, {});
}

int64_t remove_from_physmap(HypercallContext& context, uint64_t start, Gva at) {
  if (context.mode64() && start != 0) return -XEN_EINVAL;
  uint16_t domid = 0;
  uint64_t gfn = 0;
  const bool ok = with_layout<xen_remove_from_physmap, abi32::xen_remove_from_physmap>(context, [&](auto raw) {
    if (!read_guest(context, at, raw)) return false;
    domid = raw.domid;
    gfn = raw.gpfn;
    return true;
  });
  if (!ok) return -XEN_EFAULT;
  if (start != 0) return -XEN_EINVAL;
  Domain* domain = nullptr;
  if (const int64_t error = find_memory_target(context, domid, domain, -XEN_EACCES); error != 0) return error;
  return unmap_guest_page(context, *domain, Gfn{gfn});
}

}  // namespace xensim::xen
