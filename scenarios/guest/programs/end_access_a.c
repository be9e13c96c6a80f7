/* Linux frontends freed a page whose grant they could not end (XSA-396: Linux 31185df7e2b1, 33172ab50a53, "gnttab_try_end_
 * foreign_access"). They looked whether the backend had the page, and then ended the grant without looking whether that worked.
 *   1. The frontend finds the grant not in use.
 *   2. The backend maps the page.
 *   3. The frontend ends the grant: it is in use now, so that nothing is ended. It does not notice, and uses the page for something else.
 *   4. The backend reads what that is.
 * With FIXED a page whose grant cannot be ended is kept. Expected of domain 2: "nothing leaked". Xen only; 1 vCPU each; runs
 * with end_access_b. */
#include "end_access.h"

static grant_entry_v1_t table[XS_PAGE / sizeof(grant_entry_v1_t)] XS_PAGE_ALIGNED;
static uint32_t request[XS_PAGE / sizeof(uint32_t)] XS_PAGE_ALIGNED;
static union {
  struct steps steps;
  unsigned char page[XS_PAGE];
} shared XS_PAGE_ALIGNED;

static void grant(unsigned ref, const void* page) {
  XS_STORE(&table[ref].frame, (uint32_t)xs_gfn(page));
  XS_STORE(&table[ref].domid, DOMAIN_B);
  XS_STORE(&table[ref].flags, GTF_permit_access);
}

/* Is the page ours alone again? */
static int end_access(unsigned ref) {
  uint16_t flags = XS_LOAD(&table[ref].flags);
  if (flags & (GTF_reading | GTF_writing)) return 0;
  uint16_t found = XS_CMPXCHG(&table[ref].flags, flags, 0);
#ifdef FIXED
  return found == flags;
#else
  (void)found;
  return 1;
#endif
}

void xs_main(void) {
  long r = xs_add_to_physmap(XENMAPSPACE_grant_table, 0, xs_gfn(table));
  if (r) xs_failure("add_to_physmap: %s", xs_result(r));
  XS_STORE(&request[0], PUBLIC);
  grant(REF_REQUEST, request);
  grant(REF_STEPS, &shared);
  while (!XS_LOAD(&shared.steps.b_is_there)) xs_pause();
  if (end_access(REF_REQUEST)) XS_STORE(&request[0], SECRET);
  XS_STORE(&shared.steps.a_is_done, 1);
  for (;;) {
    uint16_t flags = XS_LOAD(&table[REF_STEPS].flags);
    if (!(flags & (GTF_reading | GTF_writing))) break;
    xs_pause();
  }
  xs_success();
}
