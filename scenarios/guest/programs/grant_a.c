/* Grants pages to domain 2: one to write, one to read, one to copy. Then takes them back.
 * Expected: an entry in use shows it and cannot be revoked until the peer unmaps. Xen only; 1 vCPU; runs with grant_b. */
#include "grants.h"

static struct grant_entry_v1 table[XS_PAGE / sizeof(struct grant_entry_v1)] XS_PAGE_ALIGNED;
static unsigned char shared[XS_PAGE] XS_PAGE_ALIGNED, read_only[XS_PAGE] XS_PAGE_ALIGNED, copied[XS_PAGE] XS_PAGE_ALIGNED;

static void grant(unsigned ref, const void* page, uint16_t flags) {
  XS_STORE(&table[ref].frame, (uint32_t)xs_gfn(page));
  XS_STORE(&table[ref].domid, DOMAIN_B);
  XS_STORE(&table[ref].flags, GTF_permit_access | flags);
}

/* Ends the grant unless the peer uses it, as a frontend must. */
static int revoke(unsigned ref) {
  uint16_t flags = XS_LOAD(&table[ref].flags);
  if (flags & (GTF_reading | GTF_writing)) return 0;
  uint16_t found = XS_CMPXCHG(&table[ref].flags, flags, 0);
  return found == flags;
}

static void show(const char* name, unsigned ref) {
  uint16_t flags = XS_LOAD(&table[ref].flags);
  xs_printf("%s: %s%s%s\n", name, flags & GTF_permit_access ? "granted" : "free", flags & GTF_reading ? ", read" : "",
            flags & GTF_writing ? ", written" : "");
}

void xs_main(void) {
  struct shared_page* page = (struct shared_page*)shared;
  struct gnttab_query_size size = {.dom = DOMID_SELF};
  long r = xs_grant_table_op(GNTTABOP_query_size, &size, 1);
  xs_printf("query_size: %s, status %d, at most %u frames\n", xs_result(r), size.status, size.max_nr_frames);
  r = xs_add_to_physmap(XENMAPSPACE_grant_table, 0, xs_gfn(table));
  xs_printf("add_to_physmap: %s\n", xs_result(r));
  if (r) xs_failure("no grant table");
  memcpy(read_only, "look, do not touch", 19);
  memcpy(copied, "a page to copy", 15);
  grant(REF_READ_ONLY, read_only, GTF_readonly);
  grant(REF_COPY, copied, 0);
  grant(REF_SHARED, shared, 0);

  wait_for(&page->step_of_b, 1);
  show("shared", REF_SHARED);
  show("read-only", REF_READ_ONLY);
  xs_printf("revoke while mapped: %s\n", revoke(REF_SHARED) ? "done" : "in use");
  xs_printf("the peer wrote: %s\n", page->text);
  xs_printf("the peer copied: %s\n", (const char*)copied + 100);
  XS_STORE(&page->step_of_a, 1);

  wait_for(&page->step_of_b, 2);
  while (XS_LOAD(&table[REF_SHARED].flags) & (GTF_reading | GTF_writing)) nap();
  show("shared, unmapped", REF_SHARED);
  show("read-only, unmapped", REF_READ_ONLY);
  xs_printf("revoke: %s\n", revoke(REF_SHARED) ? "done" : "in use");
  show("shared, revoked", REF_SHARED);
  xs_success();
}
