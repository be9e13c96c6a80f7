/* GNTTABOP_copy between one's own frames and grants to oneself: each status, its order of checks, batches; version 2 with parts of
 * pages and grants of grants that lead nowhere.
 * Expected: 64-bit structs are read one by one, 32-bit ones in chunks. Xen only; 1 vCPU. */
#include "grant.h"

#define SRC GNTCOPY_source_gref
#define DST GNTCOPY_dest_gref

static unsigned char granted[XS_PAGE] XS_PAGE_ALIGNED, other[XS_PAGE] XS_PAGE_ALIGNED, mine[XS_PAGE] XS_PAGE_ALIGNED;
static domid_t self;

static int from(grant_ref_t ref, unsigned offset, unsigned to_offset, unsigned len) {
  return copy(by_ref(self, ref, offset), by_gfn(DOMID_SELF, xs_gfn(mine), to_offset), len, SRC);
}
static int to(grant_ref_t ref, unsigned offset, unsigned from_offset, unsigned len) {
  return copy(by_gfn(DOMID_SELF, xs_gfn(mine), from_offset), by_ref(self, ref, offset), len, DST);
}

static void version_1(void) {
  struct gnttab_copy_ptr own = by_gfn(DOMID_SELF, xs_gfn(mine), 0), bad = by_gfn(DOMID_SELF, PROBE_NO_GFN, 0);
  grant_v1(8, self, xs_gfn(granted), GTF_permit_access);
  grant_v1(9, self, xs_gfn(granted), GTF_permit_access | GTF_readonly);
  grant_v1(10, 77, xs_gfn(granted), GTF_permit_access);
  grant_v1(11, self, PROBE_NO_GFN, GTF_permit_access);
  grant_v1(12, self, xs_gfn(granted), GTF_permit_access | GTF_sub_page);
  grant_v1(13, self, xs_gfn(granted), GTF_transitive);
  grant_v1(14, DOMID_SELF, xs_gfn(granted), GTF_permit_access);
  grant_v1(15, self, xs_gfn(&xs_shared_info), GTF_permit_access);
  grant_v1(16, self, xs_gfn(granted), GTF_accept_transfer);
  memcpy(granted, "twelve bytes", 12);
  SHOW_GNTST(from(8, 0, 100, 12), "from a grant");
  xs_printf("  got %s\n", (const char*)mine + 100);
  show_v1("  its entry", 8);
  SHOW_GNTST(to(8, 200, 100, 6), "to a grant");
  xs_printf("  got %s\n", (const char*)granted + 200);
  SHOW_GNTST(copy(own, own, 12, 0), "own to own");
  SHOW_GNTST(copy(by_ref(self, 8, 200), by_ref(self, 8, 300), 6, SRC | DST), "from a grant to itself");
  xs_printf("  got %s\n", (const char*)granted + 300);
  show_v1("  its entry", 8);
  SHOW_GNTST(copy(by_ref(DOMID_SELF, 8, 0), own, 12, SRC), "from a grant of DOMID_SELF");
  SHOW_GNTST(copy(by_gfn(self, xs_gfn(mine), 0), own, 12, 0), "from a frame of one's own number");
  SHOW_GNTST(copy(own, by_gfn(self, xs_gfn(mine), 0), 12, 0), "to a frame of one's own number");
  SHOW_GNTST(copy(by_gfn(77, 1, 0), own, 12, 0), "from a frame of domain 77");
  SHOW_GNTST(copy(own, by_gfn(0, 1, 0), 12, 0), "to a frame of domain 0");
  SHOW_GNTST(copy(by_ref(77, 8, 0), own, 12, SRC), "from a grant of domain 77");
  SHOW_GNTST(copy(own, by_ref(77, 8, 0), 12, DST), "to a grant of domain 77");
  SHOW_GNTST(copy(by_ref(0x7ff1, 8, 0), own, 12, SRC), "from a grant of DOMID_IO");
  SHOW_GNTST(copy(by_ref(0, 8, 0), own, 12, SRC), "from grant 8 of domain 0");
  SHOW_GNTST(copy(by_ref(0, 511, 0), own, 12, SRC), "from grant 511 of domain 0");
  SHOW_GNTST(copy(by_ref(0, 100000, 0), own, 12, SRC), "from grant 100000 of domain 0");
  SHOW_GNTST(copy(own, by_ref(0, 8, 0), 12, DST), "to grant 8 of domain 0");
  SHOW_GNTST(copy(bad, own, 12, 0), "from no page");
  SHOW_GNTST(copy(own, bad, 12, 0), "to no page");
  SHOW_GNTST(copy(by_gfn(DOMID_SELF, xs_gfn(&xs_shared_info), 0), own, 12, 0), "from shared_info");
  SHOW_GNTST(copy(by_gfn(DOMID_SELF, xs_gfn(&grants), 64), own, 8, 0), "from the grant table");
  probe_dump(mine, 2, 2, "  entry 8, flags");
  uint32_t frame;
  memcpy(&frame, mine + 4, sizeof frame);
  xs_printf("  entry 8, frame: %s\n", frame == (uint32_t)xs_gfn(granted) ? "the granted page's" : "another");
  SHOW_GNTST(to(9, 0, 0, 12), "to a read-only grant");
  show_v1("  its entry", 9);
  SHOW_GNTST(from(10, 0, 0, 12), "from a grant to another");
  SHOW_GNTST(from(11, 0, 0, 12), "from a grant of no page");
  show_v1("  its entry", 11);
  SHOW_GNTST(from(12, 0, 0, 12), "from a part, in version 1");
  show_v1("  its entry", 12);
  SHOW_GNTST(from(13, 0, 0, 12), "from a transitive grant, in version 1");
  SHOW_GNTST(from(14, 0, 0, 12), "from a grant to DOMID_SELF");
  SHOW_GNTST(from(15, 0, 0, 12), "from a grant of shared_info");
  SHOW_GNTST(from(16, 0, 0, 12), "from a grant for a transfer");
  SHOW_GNTST(from(17, 0, 0, 12), "from a free entry");
  SHOW_GNTST(from(512, 0, 0, 12), "from entry 512");
  SHOW_GNTST(from(0xffffffff, 0, 0, 12), "from entry -1");
}

static void bounds(void) {
  SHOW_GNTST(from(8, 0, 0, 0), "no bytes");
  SHOW_GNTST(from(8, 4096, 0, 0), "no bytes at the end");
  SHOW_GNTST(from(8, 4097, 0, 0), "no bytes past the end");
  SHOW_GNTST(from(8, 0, 0, 4096), "a page");
  SHOW_GNTST(from(8, 1, 0, 4096), "past the source's end");
  SHOW_GNTST(from(8, 0, 1, 4096), "past the destination's end");
  SHOW_GNTST(from(8, 0xffff, 0, 1), "offset ffff");
  SHOW_GNTST(from(8, 0, 0, 0xffff), "ffff bytes");
  SHOW_GNTST(from(17, 0, 0, 0xffff), "ffff bytes from a free entry");
  SHOW_GNTST(to(9, 0, 0, 0xffff), "ffff bytes to a read-only grant");
}

/* Structs of one batch keep what the one before holds. */
static void batches(void) {
  static struct gnttab_copy list[3];
  struct gnttab_copy_ptr own = by_gfn(DOMID_SELF, xs_gfn(mine), 0);
  memset(mine, 0, sizeof mine);
  memcpy(granted, "the granted page", 17);
  memcpy(other, "the other page", 15);
  grant_v1(20, self, xs_gfn(granted), GTF_permit_access);
  list[0] = (struct gnttab_copy){.source = by_ref(DOMID_SELF, 20, 0), .dest = own, .len = 17, .flags = SRC, .status = 99};
  list[1] = list[0];
  list[1].source.u.ref = 600; /* fails */
  list[2] = list[0];
  list[2].dest.offset = 64;
  SHOW(xs_grant_table_op(GNTTABOP_copy, list, 3));
  xs_printf("  %s, %s, %s; %s\n", probe_gntst(list[0].status), probe_gntst(list[1].status), probe_gntst(list[2].status),
            (const char*)mine + 64);
  show_v1("  the entry", 20);

  /* The number of a frame after a grant whose reference is that number: which of the two is copied? Frame 16 is RAM. */
  grant_v1(16, self, xs_gfn(granted), GTF_permit_access);
  SHOW_GNTST(copy(by_gfn(DOMID_SELF, xs_gfn(other), 0), by_gfn(DOMID_SELF, 16, 0), 15, 0), "fill frame 16");
  list[0] = (struct gnttab_copy){.source = by_ref(DOMID_SELF, 16, 0), .dest = own, .len = 17, .flags = SRC};
  list[1] = (struct gnttab_copy){.source = by_gfn(DOMID_SELF, 16, 0), .dest = own, .len = 17, .flags = 0};
  list[1].dest.offset = 128;
  SHOW(xs_grant_table_op(GNTTABOP_copy, list, 2));
  xs_printf("  frame 16 after grant 16: %s\n", (const char*)mine + 128);
  list[2] = list[0];
  list[0] = list[1];
  list[0].dest.offset = 192;
  list[1] = list[2];
  list[1].dest.offset = 256;
  SHOW(xs_grant_table_op(GNTTABOP_copy, list, 2));
  xs_printf("  grant 16 after frame 16: %s, then %s\n", (const char*)mine + 192, (const char*)mine + 256);

  struct gnttab_copy* half = (struct gnttab_copy*)probe_edge() - 1;
  *half = (struct gnttab_copy){.source = by_ref(DOMID_SELF, 20, 0), .dest = own, .len = 17, .flags = SRC, .status = 99};
  half->dest.offset = 320;
  SHOW_AS(xs_grant_table_op(GNTTABOP_copy, half, 2), "two copies, the second one's struct is bad");
  xs_printf("  first: status %d, copied %d\n", half->status, mine[320] != 0);
  show_v1("  the entry", 20);
}

/* More than the translation buffer of the 32-bit ABI holds. */
static void many(void) {
  static struct gnttab_copy list[300];
  for (unsigned i = 0; i < 300; i++) {
    list[i] = (struct gnttab_copy){.source = by_ref(self, 20, 0), .dest = by_gfn(DOMID_SELF, xs_gfn(mine), i), .len = 1, .flags = SRC, .status = 99};
    if (i == 250) list[i].source.u.ref = 600;
  }
  SHOW(xs_grant_table_op(GNTTABOP_copy, list, 300));
  unsigned good = 0;
  for (unsigned i = 0; i < 300; i++) good += list[i].status == GNTST_okay;
  xs_printf("  %u of 300, number 250: %s\n", good, probe_gntst(list[250].status));
  show_v1("  the entry", 20);
}

static void version_2(void) {
  uint32_t now;
  SHOW(set_version(2, &now));
  SHOW(place_status());
  memcpy(granted + 100, "a part of the page", 19);
  grant_v2(8, self, xs_gfn(granted), GTF_permit_access);
  grant_v2(9, self, xs_gfn(granted), GTF_permit_access | GTF_readonly);
  grant_part(10, self, xs_gfn(granted), 100, 64, 0);
  grant_part(11, self, xs_gfn(granted), 100, 64, GTF_readonly);
  grant_part(12, self, xs_gfn(granted), 0x8064, 64, 0);
  grant_part(13, self, xs_gfn(granted), 4000, 200, 0);
  grant_part(14, self, xs_gfn(granted), 100, 0, 0);
  grant_v2(15, self, 1ull << 40, GTF_permit_access);
  SHOW_GNTST(from(8, 0, 0, 64), "from a grant");
  show_v2("  its entry", 8);
  SHOW_GNTST(to(9, 0, 0, 64), "to a read-only grant");
  show_v2("  its entry", 9);
  SHOW_GNTST(from(10, 100, 0, 64), "from a part");
  xs_printf("  got %s\n", (const char*)mine);
  SHOW_GNTST(to(10, 100, 0, 64), "to a part");
  SHOW_GNTST(from(10, 99, 0, 64), "from before a part");
  SHOW_GNTST(from(10, 101, 0, 64), "from a part and after it");
  SHOW_GNTST(from(10, 164, 0, 0), "no bytes at a part's end");
  SHOW_GNTST(from(10, 165, 0, 0), "no bytes past a part's end");
  SHOW_GNTST(from(10, 4000, 0, 200), "past the page of a part");
  show_v2("  its entry", 10);
  SHOW_GNTST(to(11, 100, 0, 64), "to a read-only part");
  SHOW_GNTST(from(11, 100, 0, 64), "from a read-only part");
  SHOW_GNTST(from(12, 100, 0, 64), "from a part at 8064");
  SHOW_GNTST(from(13, 4000, 0, 96), "from a part that leaves the page");
  SHOW_GNTST(from(14, 100, 0, 1), "from a part of no bytes");
  SHOW_GNTST(from(15, 0, 0, 1), "from a frame beyond memory");
  show_v2("  its entry", 15);
  SHOW_GNTST(from(256, 0, 0, 1), "from entry 256");
  SHOW_GNTST(from(255, 0, 0, 1), "from entry 255, free");
  grant_handle_t handle = 0;
  SHOW_GNTST(map_at(self, 10, 0x50000000, GNTMAP_host_map | GNTMAP_readonly, &handle), "map a part");
  show_v2("  its entry", 10);

  grant_through(20, self, self, 8, 0);
  grant_through(21, self, 77, 8, 0);
  grant_through(22, self, 0, 8, 0);
  grant_through(23, self, 0, 100000, 0);
  grant_through(24, 77, 0, 8, 0);
  grant_through(25, self, 0, 8, GTF_readonly);
  SHOW_GNTST(from(20, 0, 0, 1), "from a grant of one's own grant");
  SHOW_GNTST(from(21, 0, 0, 1), "from a grant of domain 77's grant");
  SHOW_GNTST(from(22, 0, 0, 1), "from a grant of domain 0's grant 8");
  SHOW_GNTST(from(23, 0, 0, 1), "from a grant of domain 0's grant 100000");
  SHOW_GNTST(from(24, 0, 0, 1), "from a transitive grant to another");
  SHOW_GNTST(to(25, 0, 0, 1), "to a read-only transitive grant");
  for (unsigned ref = 20; ref < 26; ref++) show_v2("  its entry", ref);
  SHOW_GNTST(map_at(self, 20, 0x50000000, GNTMAP_host_map, &handle), "map a transitive grant");
}

/* The entry changes while it is mapped. */
static void changed_while_pinned(void) {
  static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED;
  grant_handle_t handle = 0;
  grant_v2(30, self, xs_gfn(page), GTF_permit_access);
  SHOW_GNTST(map_at(self, 30, 0x50000000, GNTMAP_host_map | GNTMAP_readonly, &handle), "map a grant to read");
  show_v2("  its entry", 30);
  grant_v2(30, self, xs_gfn(granted), GTF_permit_access);
  SHOW_GNTST(from(30, 0, 0, 1), "copy from it, now of another page");
  SHOW_GNTST(to(30, 0, 0, 1), "copy to it, now of another page");
  show_v2("  its entry", 30);
  grant_part(30, self, xs_gfn(granted), 0, 8, 0);
  SHOW_GNTST(from(30, 0, 0, 64), "copy from it, now a part");
  SHOW_GNTST(to(30, 0, 0, 64), "copy to it, now a part");
  grant_v2(30, self, xs_gfn(granted), GTF_permit_access | GTF_readonly);
  SHOW_GNTST(to(30, 0, 0, 64), "copy to it, now read-only");
  grant_v2(30, 77, xs_gfn(granted), GTF_permit_access);
  SHOW_GNTST(from(30, 0, 0, 64), "copy from it, now for another");
  uint32_t now;
  SHOW_AS(set_version(1, &now), "version 1 while it is mapped");
  SHOW_GNTST(unmap_at(0x50000000, 0, handle), "unmap");
  show_v2("  its entry", 30);
  SHOW_AS(set_version(1, &now), "version 1");
}

void xs_main(void) {
  self = own_domid();
  SHOW(place_grants());
  version_1();
  bounds();
  batches();
  many();
  version_2();
  changed_while_pinned();
  xs_success();
}
