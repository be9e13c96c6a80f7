/* Domain 1: grants pages and parts of pages to domain 2, and takes back what that grants it, grants of grants among them.
 * Expected: as printed; both use version 2 from the middle on. Xen only; 1 vCPU each; runs with grant_pair_b. */
#include "grant_pair.h"

static struct shared shared_page XS_PAGE_ALIGNED;
static unsigned char page[XS_PAGE] XS_PAGE_ALIGNED, mine[XS_PAGE] XS_PAGE_ALIGNED;

static void step(unsigned number) {
  XS_STORE(&shared_page.step_of_a, number);
  wait_until(&shared_page.step_of_b, number);
}

static int from_b(grant_ref_t ref, unsigned len) {
  return copy(by_ref(DOMAIN_B, ref, 0), by_gfn(DOMID_SELF, xs_gfn(mine), 0), len, GNTCOPY_source_gref);
}
static int to_b(grant_ref_t ref, unsigned len) {
  return copy(by_gfn(DOMID_SELF, xs_gfn(mine), 0), by_ref(DOMAIN_B, ref, 0), len, GNTCOPY_dest_gref);
}

static void show_mine(const char* when) {
  show_v2(when, REF_PAGE);
  show_v2("  the part", REF_PART);
}

void xs_main(void) {
  XS_CHECK(place_grants() == 0);
  grant_v1(REF_SHARED, DOMAIN_B, xs_gfn(&shared_page), GTF_permit_access); /* stays over the switch */
  wait_until(&shared_page.step_of_b, 1);
  uint32_t now;
  SHOW_AS(set_version(2, &now), "version 2 while entry %u is mapped", REF_SHARED);
  XS_CHECK(place_status() == 0);
  show_v2("the mapped entry", REF_SHARED);
  memcpy(page, "the page of domain 1", 21);
  grant_v2(REF_PAGE, DOMAIN_B, xs_gfn(page), GTF_permit_access);
  grant_part(REF_PART, DOMAIN_B, xs_gfn(page), 4, 8, 0);
  grant_v2(REF_READ_ONLY, DOMAIN_B, xs_gfn(page), GTF_permit_access | GTF_readonly);
  step(2); /* b maps and copies */
  show_mine("while domain 2 has it mapped");
  SHOW_AS(set_version(1, &now), "version 1 while entry %u is mapped", REF_PAGE);
  SHOW_GNTST(swap_refs(REF_PAGE, REF_READ_ONLY), "swap of the mapped one");
  step(3); /* b unmaps, and lends us our own page */
  show_mine("after it was unmapped");
  memset(mine, 0, sizeof mine);
  SHOW_GNTST(from_b(REF_LENT, 21), "from our own page, lent by domain 2");
  xs_printf("  got %s\n", (const char*)mine);
  SHOW_GNTST(to_b(REF_LENT, 3), "to it");
  show_mine("after both");
  SHOW_GNTST(to_b(REF_LENT_READ_ONLY, 3), "to one lent read-only");
  SHOW_GNTST(from_b(REF_LENT_READ_ONLY, 3), "from it");
  SHOW_GNTST(to_b(REF_LENT_OF_READ_ONLY, 3), "to one lent of a read-only one");
  SHOW_GNTST(from_b(REF_LENT_OF_READ_ONLY, 3), "from it");
  SHOW_GNTST(copy(by_ref(DOMAIN_B, REF_LENT_OF_PART, 4), by_gfn(DOMID_SELF, xs_gfn(mine), 0), 8, GNTCOPY_source_gref),
             "from one lent of a part");
  SHOW_GNTST(from_b(REF_LENT_OF_PART, 8), "from before it");
  SHOW_GNTST(from_b(REF_LENT_OF_FREE, 3), "from one lent of a free entry");
  SHOW_GNTST(from_b(REF_LENT_TWICE, 3), "from one lent of one lent");
  SHOW_GNTST(from_b(REF_FOR_B, 3), "from one lent to domain 2");
  SHOW_GNTST(from_b(REF_BEYOND, 3), "from one lent of an entry beyond the table");
  grant_handle_t handle = 0;
  SHOW_GNTST(map_at(DOMAIN_B, REF_LENT, 0x50000000, GNTMAP_host_map, &handle), "map of one lent");
  show_mine("after all");
  struct gnttab_query_size size = {.dom = DOMAIN_B};
  SHOW(xs_grant_table_op(GNTTABOP_query_size, &size, 1));
  SHOW_GNTST(size.status, "  of domain 2");
  struct gnttab_get_version version = {.dom = DOMAIN_B};
  SHOW(xs_grant_table_op(GNTTABOP_get_version, &version, 1));
  struct gnttab_setup_table setup = {.dom = DOMAIN_B};
  SHOW(xs_grant_table_op(GNTTABOP_setup_table, &setup, 1));
  SHOW_GNTST(setup.status, "  of domain 2");
  step(4); /* b gives up all but the shared page */
  SHOW_AS(set_version(1, &now), "version 1");
  xs_printf("the shared entry: flags %x\n", grants.v1[REF_SHARED].flags);
  step(5);
  xs_success();
}
