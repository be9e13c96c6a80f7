/* Domain 2: maps and copies what domain 1 grants, and lends it on to domain 1 by grants of grants.
 * Expected: as printed. Xen only; 1 vCPU each; runs with grant_pair_a. */
#include "grant_pair.h"

static unsigned char shared_place[XS_PAGE] XS_PAGE_ALIGNED, place[XS_PAGE] XS_PAGE_ALIGNED, mine[XS_PAGE] XS_PAGE_ALIGNED;
static struct shared* const shared_page = (struct shared*)shared_place;

static void step(unsigned number) { wait_until(&shared_page->step_of_a, number); }
static void done(unsigned number) { XS_STORE(&shared_page->step_of_b, number); }

static int from_a(grant_ref_t ref, unsigned offset, unsigned len) {
  return copy(by_ref(DOMAIN_A, ref, offset), by_gfn(DOMID_SELF, xs_gfn(mine), 0), len, GNTCOPY_source_gref);
}

void xs_main(void) {
  grant_handle_t handle = 0, none = 0;
  struct gnttab_map_grant_ref first = {.host_addr = xs_gpa(shared_place), .flags = GNTMAP_host_map, .ref = REF_SHARED, .dom = DOMAIN_A};
  do {
    nap();
    XS_CHECK(xs_grant_table_op(GNTTABOP_map_grant_ref, &first, 1) == 0);
  } while (first.status != GNTST_okay);
  XS_CHECK(place_grants() == 0);
  uint32_t now;
  SHOW(set_version(2, &now));
  XS_CHECK(place_status() == 0);
  done(1);
  step(2);
  SHOW_GNTST(map_at(DOMAIN_A, REF_PAGE, xs_gpa(place), GNTMAP_host_map, &handle), "map a page");
  xs_printf("  it says %s\n", (const char*)place);
  SHOW_GNTST(map_at(DOMAIN_A, REF_PART, 0x50000000, GNTMAP_host_map, &none), "map a part");
  SHOW_GNTST(map_at(DOMAIN_A, REF_READ_ONLY, 0x50000000, GNTMAP_host_map, &none), "map to write what may be read");
  SHOW_GNTST(map_at(DOMAIN_A, 256, 0x50000000, GNTMAP_host_map, &none), "map entry 256");
  SHOW_GNTST(from_a(REF_PAGE, 0, 21), "copy a page");
  SHOW_GNTST(from_a(REF_PART, 4, 8), "copy a part");
  SHOW_GNTST(from_a(REF_PART, 3, 8), "copy from before a part");
  SHOW_GNTST(copy(by_ref(DOMAIN_A, REF_PAGE, 0), by_ref(DOMAIN_A, REF_PART, 4), 8, GNTCOPY_source_gref | GNTCOPY_dest_gref),
             "copy between two grants");
  done(2);
  step(3);
  SHOW_GNTST(unmap_at(xs_gpa(place), 0, handle), "unmap the page");
  grant_through(REF_LENT, DOMAIN_A, DOMAIN_A, REF_PAGE, 0);
  grant_through(REF_LENT_READ_ONLY, DOMAIN_A, DOMAIN_A, REF_PAGE, GTF_readonly);
  grant_through(REF_LENT_OF_READ_ONLY, DOMAIN_A, DOMAIN_A, REF_READ_ONLY, 0);
  grant_through(REF_LENT_OF_PART, DOMAIN_A, DOMAIN_A, REF_PART, 0);
  grant_through(REF_LENT_OF_FREE, DOMAIN_A, DOMAIN_A, REF_FREE, 0);
  grant_through(REF_LENT_TWICE, DOMAIN_A, DOMAIN_B, REF_LENT, 0);
  grant_through(REF_FOR_B, DOMAIN_B, DOMAIN_A, REF_PAGE, 0);
  grant_through(REF_BEYOND, DOMAIN_A, DOMAIN_A, 100000, 0);
  done(3);
  step(4);
  for (unsigned ref = REF_LENT; ref <= REF_BEYOND; ref++) show_v2("lent", ref);
  SHOW_GNTST(from_a(REF_PAGE, 0, 3), "copy a page once more");
  xs_printf("  it says %s\n", (const char*)mine);
  done(4);
  step(5);
  SHOW_GNTST(from_a(REF_PAGE, 0, 3), "copy after its table is of version 1");
  done(5);
  SHOW_GNTST(unmap_at(xs_gpa(shared_place), 0, first.handle), "unmap the shared page");
  xs_success();
}
