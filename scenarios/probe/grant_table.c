/* The table itself: query_size, setup_table, placing its frames, versions, swap_grant_ref; counts and pointers of all calls.
 * Expected: sub-ops that Xen has not audited for HVM guests are -ENOSYS; a version switch keeps entries 0 to 7. 1 vCPU. */
#include "grant.h"

static void sizes(const char* when) {
  struct gnttab_query_size op;
  probe_fill(&op, sizeof op);
  op.dom = DOMID_SELF;
  long r = xs_grant_table_op(GNTTABOP_query_size, &op, 1);
  xs_printf("query_size %s: %s, status %d, frames %u of %u\n", when, xs_result(r), op.status, op.nr_frames, op.max_nr_frames);
}

static void others(void) {
  static const domid_t doms[] = {0, 77, 0x7ff0 /* SELF */, 0x7ff1, 0x7ff2, 0x7ff3, 0x7ff4, 0xffff};
  for (unsigned i = 0; i < sizeof doms / sizeof *doms; i++) {
    struct gnttab_query_size size = {.dom = doms[i]};
    long r = xs_grant_table_op(GNTTABOP_query_size, &size, 1);
    xs_printf("query_size of domain %x: %s, %s\n", doms[i], xs_result(r), probe_gntst(size.status));
    struct gnttab_get_version version = {.dom = doms[i]};
    SHOW_AS(xs_grant_table_op(GNTTABOP_get_version, &version, 1), "get_version of domain %x", doms[i]);
    xs_printf("  version %u\n", version.version);
    struct gnttab_setup_table setup = {.dom = doms[i], .nr_frames = 0};
    r = xs_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    xs_printf("setup_table of domain %x: %s, %s\n", doms[i], xs_result(r), probe_gntst(setup.status));
  }
}

static void counts_and_pointers(void) {
  static const unsigned counts[] = {0, 2, 0x7fffffff, 0x80000000, 0xffffffff};
  static struct gnttab_copy room[4]; /* as large as any two structs; zeroes */
  for (unsigned op = 0; op <= 13; op++) {
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
      if (counts[i] == 0x7fffffff && op != GNTTABOP_query_size && op != GNTTABOP_setup_table) continue;
      if (counts[i] == 2 && (op == GNTTABOP_map_grant_ref || op == GNTTABOP_copy)) continue;
      memset(room, 0, sizeof room);
      SHOW_AS(xs_grant_table_op(op, room, counts[i]), "sub-op %u, count %x", op, counts[i]);
    }
    SHOW_AS(xs_grant_table_op(op, probe_edge(), 1), "sub-op %u, bad pointer", op);
    SHOW_AS(xs_grant_table_op(op, probe_edge(), 0), "sub-op %u, bad pointer, count 0", op);
    SHOW_AS(xs_grant_table_op(op, probe_edge() - 4, 1), "sub-op %u, half a struct", op);
    SHOW_AS(xs_grant_table_op(op | 0x1000, room, 1), "sub-op %u, as if continued", op);
  }
  SHOW(xs_grant_table_op(0xffffffff, room, 1));
  SHOW(xs_grant_table_op(14, room, 1));
}

static void setup(const char* when, unsigned nr_frames, xen_pfn_t* list) {
  struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = nr_frames};
  set_xen_guest_handle(op.frame_list, list);
  long r = xs_grant_table_op(GNTTABOP_setup_table, &op, 1);
  xs_printf("setup_table %s, %u frames: %s, %s\n", when, nr_frames, xs_result(r), probe_gntst(op.status));
}

static void setups(void) {
  static xen_pfn_t list[66];
  probe_fill(list, sizeof list);
  setup("nothing placed", 1, list);
  probe_dump(list, 2 * sizeof *list, sizeof *list, "  frame list");
  setup("none", 0, list);
  SHOW(place_grants());
  probe_fill(list, sizeof list);
  setup("one placed", 2, list);
  xs_printf("  the first is where it was placed: %d, the second nowhere: %d\n", list[0] == xs_gfn(&grants), list[1] == (xen_pfn_t)-1);
  sizes("after setup of 2");
  setup("too many", 65, list);
  setup("far too many", 0xffffffff, list);
  setup("bad list", 2, (xen_pfn_t*)probe_edge());
  probe_fill(list, sizeof list);
  setup("list half bad", 2, (xen_pfn_t*)probe_edge() - 1);
  setup("no list", 1, 0);
  sizes("after all setups");
}

static void place(const char* name, unsigned long idx) {
  static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;
  SHOW_AS(xs_add_to_physmap(XENMAPSPACE_grant_table, idx, xs_gfn(page)), "place %s", name);
}

static void places(void) {
  place("frame 3", 3);
  sizes("after placing 3");
  place("frame 64", 64);
  place("frame -1 in 32 bits", 0xffffffff);
  place("status 0 in version 1", XENMAPIDX_grant_table_status);
  if (sizeof(long) == 8) {
    place("frame 2^32", (unsigned long)1 << (sizeof(long) * 4));
    place("frame 2^32 + 2^31", ((unsigned long)1 << (sizeof(long) * 4)) | 0x80000000);
  }
  uint32_t now;
  SHOW(set_version(2, &now));
  place("status 0", XENMAPIDX_grant_table_status);
  place("status 1", XENMAPIDX_grant_table_status | 1);
  sizes("after status 1");
  place("status 8", XENMAPIDX_grant_table_status | 8);
  place("status 2^31-1", 0xffffffff);
  place("status 0x20000000", XENMAPIDX_grant_table_status | 0x20000000);
  sizes("after bad status frames");
  place("status 7", XENMAPIDX_grant_table_status | 7);
  sizes("after status 7");
  place("frame 63", 63);
  place("frame 64", 64);
  SHOW(set_version(1, &now));
  place("status 0 after version 2", XENMAPIDX_grant_table_status);
  sizes("in version 1 again");
  place("frame 0 elsewhere", 0);
  SHOW_AS(place_grants(), "place frame 0 back");
}

static void version(uint32_t wanted) {
  uint32_t now;
  long r = set_version(wanted, &now);
  xs_printf("set_version %u: %s, is %u\n", wanted, xs_result(r), now);
}

static void reserved_entries(void) {
  for (unsigned ref = 0; ref < 10; ref++) grant_v1(ref, (domid_t)(100 + ref), 0x1234 + ref, (uint16_t)(ref | ref << 2));
  for (unsigned ref = 0; ref < 10; ref++) probe_dump(&grants.v1[ref], 8, 2, "v1 entry %u", ref);
  version(2);
  SHOW(place_status());
  for (unsigned ref = 0; ref < 10; ref++) {
    probe_dump(&grants.v2[ref], 16, 2, "v2 entry %u", ref);
    xs_printf("  status %x\n", grant_status[ref]);
  }
  grants.v2[5].sub_page.page_off = 77;
  grant_status[5] = 0xffff;
  version(1); /* 3 and 7 are transitive */
  XS_STORE(&grants.v2[3].hdr.flags, GTF_invalid);
  XS_STORE(&grants.v2[7].hdr.flags, GTF_invalid);
  version(1);
  for (unsigned ref = 0; ref < 10; ref++) probe_dump(&grants.v1[ref], 8, 2, "v1 entry %u again", ref);
  version(2);
  SHOW(place_status());
  for (unsigned ref = 0; ref < 8; ref++) grant_v2(ref, 7, ref, (uint16_t)(ref & 1 ? GTF_permit_access : GTF_invalid));
  grant_v2(7, 7, 1ull << 32, GTF_permit_access);
  version(1);
  grant_v2(7, 7, 1ull << 32, GTF_invalid);
  grant_through(6, 7, 0, 8, 0);
  version(1);
  grant_v2(6, 7, 1ull << 32, GTF_accept_transfer);
  grant_through(8, 7, 0, 8, 0);
  version(1);
  for (unsigned ref = 0; ref < 9; ref++) probe_dump(&grants.v1[ref], 8, 2, "v1 entry %u at last", ref);
}

static void versions(void) {
  version(0);
  version(3);
  version(1);
  version(2);
  version(2);
  version(0xffffffff);
  struct gnttab_get_version get = {.dom = DOMID_SELF};
  SHOW(xs_grant_table_op(GNTTABOP_get_version, &get, 0));
  xs_printf("  version %u\n", get.version);
  version(1);
}

static void swaps(void) {
  grant_v1(8, 5, 55, GTF_permit_access);
  grant_v1(9, 6, 66, GTF_permit_access | GTF_readonly);
  SHOW_GNTST(swap_refs(8, 9), "swap");
  probe_dump(&grants.v1[8], 16, 2, "  both");
  SHOW_GNTST(swap_refs(8, 8), "swap with itself");
  SHOW_GNTST(swap_refs(8, 512 * 64), "swap beyond the table");
  SHOW_GNTST(swap_refs(0xffffffff, 8), "swap beyond the table, first");
  SHOW_GNTST(swap_refs(0xffffffff, 0xffffffff), "swap of one beyond the table with itself");
  struct gnttab_swap_grant_ref list[3] = {{8, 9, 7}, {8, 0xffffffff, 7}, {9, 8, 7}};
  SHOW(xs_grant_table_op(GNTTABOP_swap_grant_ref, list, 3));
  xs_printf("  statuses %d %d %d\n", list[0].status, list[1].status, list[2].status);
  struct gnttab_swap_grant_ref* half = (struct gnttab_swap_grant_ref*)probe_edge() - 1;
  *half = list[0];
  SHOW_AS(xs_grant_table_op(GNTTABOP_swap_grant_ref, half, 2), "two swaps, the second one's struct is bad");
  xs_printf("  first: status %d\n", half->status);
  probe_dump(&grants.v1[8], 16, 2, "  both");
  uint32_t now;
  SHOW(set_version(2, &now));
  SHOW(place_status());
  grant_v2(8, 5, 55, GTF_permit_access);
  grant_part(9, 6, 66, 16, 32, 0);
  grant_status[8] = 0x7;
  SHOW_GNTST(swap_refs(8, 9), "swap, version 2");
  probe_dump(&grants.v2[8], 32, 2, "  both");
  xs_printf("  statuses %x %x\n", grant_status[8], grant_status[9]);
  SHOW(set_version(1, &now));
}

void xs_main(void) {
  sizes("at first");
  setups();
  others();
  versions();
  places();
  reserved_entries();
  counts_and_pointers();
  swaps();
  xs_success();
}
