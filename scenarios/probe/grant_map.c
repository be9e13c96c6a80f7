/* map_grant_ref and unmap_grant_ref on grants that the domain gives itself: each status, flags of the entry, handles, batches.
 * Expected: a page that is mapped again leaves its first place. Xen only; 1 vCPU. */
#include "grant.h"

#define PLACE 0x50000ull /* gfns without RAM */
#define RO (GNTMAP_host_map | GNTMAP_readonly)
#define RW GNTMAP_host_map

static unsigned char pages[24][XS_PAGE] XS_PAGE_ALIGNED;
static domid_t self;
static grant_handle_t handle;

static void map(const char* name, domid_t dom, grant_ref_t ref, uint64_t gfn, uint32_t flags) {
  struct gnttab_map_grant_ref op;
  probe_fill(&op, sizeof op);
  op.host_addr = gfn << 12;
  op.flags = flags;
  op.ref = ref;
  op.dom = dom;
  long r = xs_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
  handle = op.handle;
  if (op.status == GNTST_okay)
    xs_printf("map %s: %s, %s, handle %u\n", name, xs_result(r), probe_gntst(op.status), op.handle);
  else
    xs_printf("map %s: %s, %s, handle untouched %d, address untouched %d\n", name, xs_result(r), probe_gntst(op.status),
              probe_untouched(&op.handle, 4), probe_untouched(&op.dev_bus_addr, 8));
}

static void unmap(const char* name, uint64_t gfn, grant_handle_t which) {
  SHOW_GNTST(unmap_at(gfn << 12, 0, which), "unmap %s", name);
}

static void refused(void) {
  grant_v1(8, self, xs_gfn(pages[0]), GTF_permit_access);
  map("without a kind", self, 8, PLACE, 0);
  map("read-only without a kind", self, 8, PLACE, GNTMAP_readonly);
  map("for a device", self, 8, PLACE, GNTMAP_device_map);
  map("for both", self, 8, PLACE, RW | GNTMAP_device_map);
  map("for an application", self, 8, PLACE, RW | GNTMAP_application_map);
  map("into a page table entry", self, 8, PLACE, RW | GNTMAP_contains_pte);
  map("with a bit for the guest", self, 8, PLACE, RW | 0x10000);
  map("with bit 5", self, 8, PLACE, RW | 0x20);
  map("of oneself", DOMID_SELF, 8, PLACE, RW);
  map("of domain 77", 77, 8, PLACE, RW);
  map("of domain 77 without a kind", 77, 8, PLACE, 0);
  map("of domain 77 for a device", 77, 8, PLACE, GNTMAP_device_map);
  map("of DOMID_IO", 0x7ff1, 8, PLACE, RW);
  map("of DOMID_XEN", 0x7ff2, 8, PLACE, RW);
  map("of domain 0, entry 8", 0, 8, PLACE, RW);
  map("of domain 0, entry 511", 0, 511, PLACE, RO);
  map("of domain 0, entry 100000", 0, 100000, PLACE, RW);
  map("entry 9, free", self, 9, PLACE, RW);
  map("entry 511, free", self, 511, PLACE, RW);
  map("entry 512", self, 512, PLACE, RW);
  map("entry -1", self, 0xffffffff, PLACE, RW);
  grant_v1(9, 77, xs_gfn(pages[0]), GTF_permit_access);
  map("granted to another", self, 9, PLACE, RW);
  grant_v1(9, DOMID_SELF, xs_gfn(pages[0]), GTF_permit_access);
  map("granted to DOMID_SELF", self, 9, PLACE, RW);
  grant_v1(9, self, xs_gfn(pages[0]), GTF_accept_transfer);
  map("for a transfer", self, 9, PLACE, RW);
  grant_v1(9, self, xs_gfn(pages[0]), GTF_transitive);
  map("transitive in version 1", self, 9, PLACE, RW);
  grant_v1(9, self, xs_gfn(pages[0]), GTF_permit_access | GTF_sub_page);
  map("a part in version 1", self, 9, PLACE, RW);
  grant_v1(9, self, xs_gfn(pages[0]), GTF_permit_access | GTF_readonly);
  map("read-only to write", self, 9, PLACE, RW);
  show_v1("  its entry", 9);
  grant_v1(9, self, PROBE_NO_GFN, GTF_permit_access);
  map("no page", self, 9, PLACE, RW);
  show_v1("  its entry", 9);
  grant_v1(9, self, 0xffffffff, GTF_permit_access);
  map("gfn -1", self, 9, PLACE, RW);
  map("beyond physical memory", self, 8, 1ull << 36, RW);
  show_v1("  its entry", 8);
  map("the same once more", self, 8, PLACE, RW);
  grant_v1(8, self, xs_gfn(pages[14]), GTF_permit_access);
  map("at the highest address", self, 8, 0xfffffffffffffull, RO);
}

static void flags_of_entries(void) {
  grant_v1(10, self, xs_gfn(pages[1]), GTF_permit_access);
  grant_handle_t write, read;
  map("to write", self, 10, PLACE, RW);
  write = handle;
  show_v1("  mapped to write", 10);
  map("to read too", self, 10, PLACE + 1, RO);
  read = handle;
  show_v1("  mapped twice", 10);
  unmap("the writable one", PLACE, write);
  show_v1("  read alone", 10);
  map("to write again", self, 10, PLACE, RW);
  write = handle;
  show_v1("  both again", 10);
  unmap("what is read", PLACE + 1, read);
  show_v1("  written alone", 10);
  grant_v1(10, 77, xs_gfn(pages[2]), GTF_permit_access | GTF_reading | GTF_writing);
  map("a pinned one whose entry names another", self, 10, PLACE + 2, RO);
  unmap("it", PLACE + 2, handle);
  grant_v1(10, self, xs_gfn(pages[2]), GTF_permit_access | GTF_readonly | GTF_reading);
  map("a pinned one that became read-only, to write", self, 10, PLACE + 2, RW);
  unmap("it", PLACE + 2, handle);
  SHOW_GNTST(swap_refs(10, 11), "swap of a pinned one");
  SHOW_GNTST(swap_refs(11, 10), "swap with a pinned one");
  uint32_t now;
  SHOW(set_version(2, &now));
  unmap("the last", PLACE, write);
  show_v1("  at last", 10);
  grant_v1(11, self, xs_gfn(pages[3]), GTF_permit_access | GTF_PAT | GTF_PWT | GTF_PCD);
  map("with cache bits", self, 11, PLACE, RO);
  show_v1("  its entry", 11);
  unmap("it", PLACE, handle);
}

static void bad_unmaps(void) {
  grant_v1(12, self, xs_gfn(pages[4]), GTF_permit_access);
  map("one", self, 12, PLACE, RW);
  grant_handle_t one = handle;
  unmap("at another place", PLACE + 1, one);
  unmap("where RAM is", xs_gfn(pages[5]), one);
  unmap("at no place", 0, one);
  SHOW_GNTST(unmap_at(PLACE << 12, 0xdead000, one + 1), "unmap of a handle not in use");
  SHOW_GNTST(unmap_at(PLACE << 12, 0, 100000), "unmap of handle 100000");
  SHOW_GNTST(unmap_at(PLACE << 12, 0, 0xffffffff), "unmap of handle -1");
  SHOW_GNTST(unmap_at(0, 0xdead000, one), "unmap by a bus address alone");
  SHOW_GNTST(unmap_at((PLACE << 12) | 0x123, 0xdead000, one), "unmap inside the page, with a bus address");
  unmap("again", PLACE, one);
  show_v1("  its entry", 12);
}

static void what_can_be_granted(void) {
  grant_v1(13, self, xs_gfn(&xs_shared_info), GTF_permit_access);
  map("shared_info", self, 13, PLACE, RO);
  unmap("it", PLACE, handle);
  map("shared_info, without a place now", self, 13, PLACE, RO);
  SHOW_AS(xs_add_to_physmap(XENMAPSPACE_shared_info, 0, xs_gfn(&xs_shared_info)), "place shared_info back");
  grant_v1(13, self, xs_gfn(pages[6]), GTF_permit_access);
  map("one where it lies", self, 13, xs_gfn(pages[6]), RW);
  grant_v1(14, self, xs_gfn(pages[6]), GTF_permit_access);
  map("one that is mapped where it lay", self, 14, PLACE + 3, RO);
  unmap("it", PLACE + 3, handle);
  grant_v1(14, self, xs_gfn(pages[7]), GTF_permit_access);
  map("over a page of RAM", self, 14, xs_gfn(pages[8]), RW);
  SHOW_AS(xs_add_to_physmap(XENMAPSPACE_grant_table, 1, xs_gfn(pages[8])), "place a grant frame over it");
  unmap("what was there", xs_gfn(pages[8]), handle);
  SHOW_AS(xs_add_to_physmap(XENMAPSPACE_gmfn, xs_gfn(pages[8]), xs_gfn(pages[9])), "move it");
  struct xen_remove_from_physmap remove = {.domid = DOMID_SELF, .gpfn = xs_gfn(pages[8])};
  SHOW_AS(xs_memory_op(XENMEM_remove_from_physmap, &remove), "remove it from the map");
  SHOW_AS(xs_xen_version(XENVER_get_features, pages[8]), "an argument there");
  xen_pfn_t gfn = xs_gfn(pages[8]);
  struct xen_memory_reservation reservation = {.nr_extents = 1, .domid = DOMID_SELF};
  set_xen_guest_handle(reservation.extent_start, &gfn);
  SHOW_AS(xs_memory_op(XENMEM_decrease_reservation, &reservation), "give it back to Xen");
}

static void batches(void) {
  static struct gnttab_map_grant_ref maps[40];
  static struct gnttab_unmap_grant_ref unmaps[40];
  grant_v1(15, self, xs_gfn(pages[10]), GTF_permit_access);
  for (unsigned i = 0; i < 40; i++) /* entry 16 is free */
    maps[i] = (struct gnttab_map_grant_ref){.host_addr = (PLACE + 16 + i) << 12, .flags = RO, .ref = i == 5 ? 16 : 15, .dom = self};
  SHOW(xs_grant_table_op(GNTTABOP_map_grant_ref, maps, 40));
  for (unsigned i = 0; i < 40; i++) {
    unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = maps[i].host_addr, .handle = maps[i].handle};
    if (maps[i].status) xs_printf("  number %u: %s\n", i, probe_gntst(maps[i].status));
  }
  unmaps[5].handle = unmaps[4].handle;
  SHOW(xs_grant_table_op(GNTTABOP_unmap_grant_ref, unmaps, 40));
  for (unsigned i = 0; i < 40; i++)
    if (unmaps[i].status) xs_printf("  number %u: %s\n", i, probe_gntst(unmaps[i].status));
  show_v1("  the entry", 15);

  struct gnttab_map_grant_ref* half = (struct gnttab_map_grant_ref*)probe_edge() - 1;
  *half = maps[0];
  SHOW_AS(xs_grant_table_op(GNTTABOP_map_grant_ref, half, 2), "two maps, the second one's struct is bad");
  xs_printf("  first: %s\n", probe_gntst(half->status));
  show_v1("  the entry", 15);
  struct gnttab_unmap_grant_ref* bad = (struct gnttab_unmap_grant_ref*)probe_edge() - 1;
  *bad = (struct gnttab_unmap_grant_ref){.host_addr = half->host_addr, .handle = half->handle};
  SHOW_AS(xs_grant_table_op(GNTTABOP_unmap_grant_ref, bad, 2), "two unmaps, the second one's struct is bad");
  xs_printf("  first: %s\n", probe_gntst(bad->status));
  show_v1("  the entry", 15);
}

/* A pin counter has 8 bits, of which the top one stops it. */
static void limits(void) {
  static grant_handle_t handles[129];
  unsigned n = 0;
  grant_v1(16, self, xs_gfn(pages[11]), GTF_permit_access);
  while (n < 129 && map_at(self, 16, (PLACE + 0x100 + n) << 12, RW, &handles[n]) == GNTST_okay) n++;
  xs_printf("mapped to write: %u times\n", n);
  map("to read beside them", self, 16, PLACE + 0x200, RO);
  SHOW_GNTST(copy(by_ref(self, 16, 0), by_gfn(DOMID_SELF, xs_gfn(pages[12]), 0), 16, GNTCOPY_source_gref), "copy from it");
  SHOW_GNTST(copy(by_gfn(DOMID_SELF, xs_gfn(pages[12]), 0), by_ref(self, 16, 0), 16, GNTCOPY_dest_gref), "copy to it");
  while (n > 0) {
    n--;
    if (unmap_at((PLACE + 0x100 + n) << 12, 0, handles[n])) xs_failure("unmap %u", n);
  }
  show_v1("  the entry", 16);
  unmap("the one to read", PLACE + 0x200, handle);
  show_v1("  the entry", 16);
}

static void handles(void) {
  grant_v1(17, self, xs_gfn(pages[13]), GTF_permit_access);
  grant_handle_t first = 0, second = 0, third = 0;
  map_at(self, 17, (PLACE + 5) << 12, RO, &first);
  map_at(self, 17, (PLACE + 6) << 12, RO, &second);
  xs_printf("handles follow each other: %d\n", second == first + 1);
  unmap_at((PLACE + 5) << 12, 0, first);
  map_at(self, 17, (PLACE + 5) << 12, RO, &third);
  xs_printf("one given back is not the next: %d\n", third == second + 1);
}

void xs_main(void) {
  self = own_domid();
  SHOW(place_grants());
  refused();
  flags_of_entries();
  bad_unmaps();
  what_can_be_granted();
  batches();
  limits();
  handles();
  xs_success();
}
