// GNTTABOP_map_grant_ref, unmap_grant_ref and unmap_and_replace, and the same without a guest's array or page tables,
// for a backend outside.
#pragma once

#include <cstdint>

#include "models/xen/hypervisor.h"

namespace xensim::xen {

// One call on an array of `count` structs at `list`: 0 or -EFAULT; each struct gets its own GNTST_* status.
int64_t map_grant_refs(HypercallContext& context, Gva list, uint32_t count);
int64_t unmap_grant_refs(HypercallContext& context, Gva list, uint32_t count);
int64_t unmap_and_replace_grant_refs(HypercallContext& context, Gva list, uint32_t count);

// A mapping that a domain wants, and what became of it.
struct GrantMapping {
  uint16_t granter = 0;
  uint32_t ref = 0;
  uint32_t flags = 0;  // GNTMAP_*
  uint64_t host_addr = 0;
  bool outside = false;  // shown to a backend outside: nothing changes in the mapper's own physical memory
  uint32_t handle = 0;   // results, where the status is GNTST_okay
  Mfn frame{};
};
// GNTST_*. The handle comes from the free list of the mapper's vCPU `vcpu`.
int16_t map_grant(Entry& entry, Domain& mapper, uint32_t vcpu, GrantMapping& mapping);

// A mapping that shall go: by its place, its bus address, or both; 0: that one stays.
struct GrantUnmapping {
  uint64_t host_addr = 0, dev_bus_addr = 0;
  uint64_t new_addr = 0;  // not 0: the page that is there is to take the grant's place
  uint32_t handle = 0;
  bool outside = false;

  // What is gone, for complete_unmap.
  uint32_t done = 0;  // GNTMAP_host_map, GNTMAP_device_map and GNTMAP_readonly
  Domain* owner = nullptr;
  uint32_t ref = 0;
  Mfn frame{};
};
// GNTST_*. The pins stay until complete_unmap, so that many mappings go with one flush of the TLBs.
int16_t unmap_grant(Entry& entry, Domain& mapper, GrantUnmapping& unmapping);
void complete_unmap(Entry& entry, const GrantUnmapping& unmapping);

// Drops the pins of one handle of a domain that has ended. May be called twice for one, or beside an unmapping: who
// clears the handle's flags has it.
void release_mapping(Entry& entry, Domain& mapper, uint32_t handle);
// Drops the pins of everything that an ended domain has mapped; what its own map shows stays, for nobody looks there
// any more.
void release_grant_mappings(Entry& entry, Domain& domain);

}  // namespace xensim::xen
