/* Maps, copies and unmaps what domain 1 grants, and tries what must not work.
 * Expected: GNTST codes as printed; a write to a page mapped read-only has no effect and no fault. Xen only; ELF only; 1 vCPU; runs with grant_a. */
#include "grants.h"

static unsigned char shared[XS_PAGE] XS_PAGE_ALIGNED, look[XS_PAGE] XS_PAGE_ALIGNED, spare[XS_PAGE] XS_PAGE_ALIGNED,
    mine[XS_PAGE] XS_PAGE_ALIGNED;
static volatile unsigned faults;

static int map(unsigned dom, unsigned ref, void* at, unsigned flags, grant_handle_t* handle) {
  struct gnttab_map_grant_ref op = {.host_addr = xs_gpa(at), .flags = flags, .ref = ref, .dom = (domid_t)dom};
  long r = xs_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
  if (r) xs_failure("map: %s", xs_result(r));
  if (op.status == GNTST_okay) *handle = op.handle;
  return op.status;
}

static int unmap(void* at, grant_handle_t handle) {
  struct gnttab_unmap_grant_ref op = {.host_addr = xs_gpa(at), .handle = handle};
  long r = xs_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);
  if (r) xs_failure("unmap: %s", xs_result(r));
  return op.status;
}

/* Between our page `mine` and a grant of `dom`, at `offset` in the granted page. */
static int copy(unsigned dom, unsigned ref, unsigned offset, unsigned length, int to_peer) {
  struct gnttab_copy op = {.len = (uint16_t)length};
  struct gnttab_copy_ptr grant = {.u.ref = ref, .domid = (domid_t)dom, .offset = (uint16_t)offset},
                         own = {.u.gmfn = xs_gfn(mine), .domid = DOMID_SELF};
  op.source = to_peer ? own : grant;
  op.dest = to_peer ? grant : own;
  op.flags = to_peer ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
  long r = xs_grant_table_op(GNTTABOP_copy, &op, 1);
  if (r) xs_failure("copy: %s", xs_result(r));
  return op.status;
}

static void on_fault(struct xs_regs* regs) {
  faults++;
  regs->rip += 3; /* write_byte's instruction */
}

/* movb $1,(%rax): three bytes. */
static void write_byte(void* to) { __asm__ volatile("movb $1,(%0)" : : "a"(to) : "memory"); }

static void bad_maps(void) {
  grant_handle_t handle;
  xs_printf("map read-only grant to write: %d\n", map(DOMAIN_A, REF_READ_ONLY, spare, GNTMAP_host_map, &handle));
  xs_printf("map free entry: %d\n", map(DOMAIN_A, REF_NONE, spare, GNTMAP_host_map, &handle));
  xs_printf("map reference 100000: %d\n", map(DOMAIN_A, 100000, spare, GNTMAP_host_map, &handle));
  xs_printf("map from domain 77: %d\n", map(77, REF_SHARED, spare, GNTMAP_host_map, &handle));
  xs_printf("map without host_map: %d\n", map(DOMAIN_A, REF_SHARED, spare, 0, &handle));
}

static void copies(void) {
  xs_printf("copy from: %d, %s\n", copy(DOMAIN_A, REF_COPY, 0, 32, 0), (const char*)mine);
  memcpy(mine, "copied back", 12);
  xs_printf("copy to: %d\n", copy(DOMAIN_A, REF_COPY, 100, 12, 1));
  xs_printf("copy to read-only: %d\n", copy(DOMAIN_A, REF_READ_ONLY, 0, 12, 1));
  xs_printf("copy past the page: %d\n", copy(DOMAIN_A, REF_COPY, 4000, 200, 0));
  xs_printf("copy of free entry: %d\n", copy(DOMAIN_A, REF_NONE, 0, 12, 0));
  xs_printf("copy of reference 100000: %d\n", copy(DOMAIN_A, 100000, 0, 12, 0));
  xs_printf("copy from domain 77: %d\n", copy(77, REF_COPY, 0, 12, 0));
  xs_printf("copy to self, no such entry: %d\n", copy(DOMID_SELF, REF_COPY, 0, 12, 0));
}

void xs_main(void) {
  struct shared_page* page = (struct shared_page*)shared;
  grant_handle_t handle = 0, look_handle = 0;
  while (map(DOMAIN_A, REF_SHARED, shared, GNTMAP_host_map, &handle) != GNTST_okay) nap();
  xs_printf("mapped\n");
  int status = map(DOMAIN_A, REF_READ_ONLY, look, GNTMAP_host_map | GNTMAP_readonly, &look_handle);
  xs_printf("mapped read-only: %d, %s\n", status, (const char*)look);
  xs_on_vector(13, on_fault);
  xs_on_vector(14, on_fault);
  write_byte(look);
  xs_printf("write to it: %u faults, %s\n", faults, (const char*)look);
  bad_maps();
  copies();
  memcpy(page->text, "hello from domain 2", 20);
  XS_STORE(&page->step_of_b, 1);
  wait_for(&page->step_of_a, 1);
  xs_printf("unmap: %d\n", unmap(look, look_handle));
  xs_printf("unmap again: %d\n", unmap(look, look_handle));
  xs_printf("unmap handle 5000: %d\n", unmap(look, 5000));
  XS_STORE(&page->step_of_b, 2);
  xs_printf("unmap shared: %d\n", unmap(shared, handle));
  xs_success();
}
