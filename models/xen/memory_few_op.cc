// memory_op as QEMU's emulation has it (trait few_memory_ops): add_to_physmap and its batch, and of the spaces
// shared_info and the grant table.
#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/grant_table.h"
#include "models/xen/guest_access.h"
#include "models/xen/memory_op.h"
#include "models/xen/physmap.h"

namespace xensim::xen {
namespace {

bool is_self(const HypercallContext& context, uint16_t domid) {
  return domid == DOMID_SELF || domid == context.domain.id().v;
}

int64_t map_one(HypercallContext& context, uint32_t space, uint64_t idx, Gfn gfn) {
  switch (space) {
    case XENMAPSPACE_shared_info:
    case XENMAPSPACE_grant_table: return map_to_physmap(context, context.domain, space, idx, gfn);
    case XENMAPSPACE_gmfn:
    case XENMAPSPACE_gmfn_range: return -XEN_EOPNOTSUPP;
    case XENMAPSPACE_gmfn_foreign:
    case XENMAPSPACE_dev_mmio: return -XEN_EPERM;
    default: return -XEN_EINVAL;
  }
}

template <class Raw>
int64_t add(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (!is_self(context, raw.domid)) return -XEN_ESRCH;
  return map_one(context, raw.space, raw.idx, Gfn{raw.gpfn});
}

template <class Raw, class Number>
int64_t add_batch(HypercallContext& context, Gva at) {
  Raw raw;
  if (!read_guest(context, at, raw)) return -XEN_EFAULT;
  if (!is_self(context, raw.domid)) return -XEN_ESRCH;
  if (raw.space == XENMAPSPACE_gmfn_range) return -XEN_EINVAL;
  for (uint64_t i = 0; i < raw.size; ++i) {
    Number idx, gfn;
    if (!read_guest(context, Gva{handle_value(raw.idxs) + i * sizeof(idx)}, idx) ||
        !read_guest(context, Gva{handle_value(raw.gpfns) + i * sizeof(gfn)}, gfn)) {
      return -XEN_EFAULT;
    }
    const auto error = static_cast<int32_t>(map_one(context, raw.space, idx, Gfn{gfn}));
    if (!write_guest(context, Gva{handle_value(raw.errs) + i * sizeof(error)}, error)) return -XEN_EFAULT;
  }
  return 0;
}

}  // namespace

int64_t few_memory_ops(HypercallContext& context, uint64_t op, Gva at) {
  const bool wide = context.mode64();
  switch (static_cast<uint32_t>(op)) {
    case XENMEM_add_to_physmap:
      return wide ? add<xen_add_to_physmap>(context, at) : add<abi32::xen_add_to_physmap>(context, at);
    case XENMEM_add_to_physmap_batch:
      return wide ? add_batch<xen_add_to_physmap_batch, uint64_t>(context, at)
                  : add_batch<abi32::xen_add_to_physmap_batch, uint32_t>(context, at);
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
