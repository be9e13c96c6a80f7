/* What the probes of grants share: calls of one struct, and the caller's own table at a page of the image. */
#ifndef XENSIM_PROBE_GRANT_H_
#define XENSIM_PROBE_GRANT_H_

#include "probe.h"

#define REFS_V1 (XS_PAGE / sizeof(grant_entry_v1_t))
#define REFS_V2 (XS_PAGE / sizeof(grant_entry_v2_t))

static union {
  grant_entry_v1_t v1[REFS_V1];
  grant_entry_v2_t v2[REFS_V2];
} grants XS_PAGE_ALIGNED;
static grant_status_t grant_status[XS_PAGE / sizeof(grant_status_t)] XS_PAGE_ALIGNED;

/* The calls here are good; KVM does not have them. */
static inline void must(const char* name, long r) {
  if (r == -XEN_ENOSYS) xs_skip("%s: %s", name, xs_result(r));
  if (r) xs_failure("%s: %s", name, xs_result(r));
}

static inline domid_t own_domid(void) { return (domid_t)xs_cpuid(xs_cpuid_base + 4, 0).ecx; }

static inline long place_grants(void) { return xs_add_to_physmap(XENMAPSPACE_grant_table, 0, xs_gfn(&grants)); }
static inline long place_status(void) {
  return xs_add_to_physmap(XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, xs_gfn(grant_status));
}

static inline long set_version(uint32_t version, uint32_t* now) {
  struct gnttab_set_version op = {.version = version};
  long r = xs_grant_table_op(GNTTABOP_set_version, &op, 1);
  *now = op.version;
  return r;
}

static inline void grant_v1(unsigned ref, domid_t to, xen_pfn_t gfn, uint16_t flags) {
  XS_STORE(&grants.v1[ref].frame, (uint32_t)gfn);
  XS_STORE(&grants.v1[ref].domid, to);
  XS_STORE(&grants.v1[ref].flags, flags);
}
static inline void grant_v2(unsigned ref, domid_t to, uint64_t gfn, uint16_t flags) {
  grants.v2[ref].full_page.pad0 = 0;
  grants.v2[ref].full_page.frame = gfn;
  XS_STORE(&grants.v2[ref].hdr.domid, to);
  XS_STORE(&grants.v2[ref].hdr.flags, flags);
}
static inline void grant_part(unsigned ref, domid_t to, uint64_t gfn, uint16_t offset, uint16_t length, uint16_t flags) {
  grants.v2[ref].sub_page.page_off = offset;
  grants.v2[ref].sub_page.length = length;
  grants.v2[ref].sub_page.frame = gfn;
  XS_STORE(&grants.v2[ref].hdr.domid, to);
  XS_STORE(&grants.v2[ref].hdr.flags, (uint16_t)(GTF_permit_access | GTF_sub_page | flags));
}
static inline void grant_through(unsigned ref, domid_t to, domid_t owner, grant_ref_t owner_ref, uint16_t flags) {
  grants.v2[ref].full_page.frame = 0;
  grants.v2[ref].transitive.trans_domid = owner;
  grants.v2[ref].transitive.pad0 = 0;
  grants.v2[ref].transitive.gref = owner_ref;
  XS_STORE(&grants.v2[ref].hdr.domid, to);
  XS_STORE(&grants.v2[ref].hdr.flags, (uint16_t)(GTF_transitive | flags));
}

/* "flags 19" of an entry, and of a version 2 entry with its status word. */
static inline void show_v1(const char* name, unsigned ref) {
  uint16_t flags = XS_LOAD(&grants.v1[ref].flags);
  xs_printf("%s: flags %x\n", name, flags);
}
static inline void show_v2(const char* name, unsigned ref) {
  uint16_t flags = XS_LOAD(&grants.v2[ref].hdr.flags), status = XS_LOAD(&grant_status[ref]);
  xs_printf("%s: flags %x, status %x\n", name, flags, status);
}

static inline int map_at(domid_t dom, grant_ref_t ref, uint64_t host_addr, uint32_t flags, grant_handle_t* handle) {
  struct gnttab_map_grant_ref op = {.host_addr = host_addr, .flags = flags, .ref = ref, .dom = dom};
  long r = xs_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
  must("map", r);
  if (op.status == GNTST_okay) *handle = op.handle;
  return op.status;
}
static inline int unmap_at(uint64_t host_addr, uint64_t dev_bus_addr, grant_handle_t handle) {
  struct gnttab_unmap_grant_ref op = {.host_addr = host_addr, .dev_bus_addr = dev_bus_addr, .handle = handle};
  long r = xs_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);
  must("unmap", r);
  return op.status;
}

/* A copy's end: a grant of `dom`, or a frame of one's own. */
static inline struct gnttab_copy_ptr by_ref(domid_t dom, grant_ref_t ref, unsigned offset) {
  struct gnttab_copy_ptr p = {.domid = dom, .offset = (uint16_t)offset};
  p.u.ref = ref;
  return p;
}
static inline struct gnttab_copy_ptr by_gfn(domid_t dom, xen_pfn_t gfn, unsigned offset) {
  struct gnttab_copy_ptr p = {.domid = dom, .offset = (uint16_t)offset};
  p.u.gmfn = gfn;
  return p;
}
static inline int copy(struct gnttab_copy_ptr source, struct gnttab_copy_ptr dest, unsigned len, unsigned flags) {
  struct gnttab_copy op = {.source = source, .dest = dest, .len = (uint16_t)len, .flags = (uint16_t)flags};
  long r = xs_grant_table_op(GNTTABOP_copy, &op, 1);
  must("copy", r);
  return op.status;
}

static inline int swap_refs(grant_ref_t a, grant_ref_t b) {
  struct gnttab_swap_grant_ref op = {.ref_a = a, .ref_b = b};
  long r = xs_grant_table_op(GNTTABOP_swap_grant_ref, &op, 1);
  must("swap", r);
  return op.status;
}

#endif
