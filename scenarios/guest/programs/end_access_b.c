/* The backend of end_access_a: maps the request's page at whatever moment, and looks at it once the frontend is done with it.
 * Expected: "nothing leaked", whether the page could be mapped or not. Xen only; 1 vCPU each; runs with end_access_a. */
#include "end_access.h"

static union {
  struct steps steps;
  unsigned char page[XS_PAGE];
} shared XS_PAGE_ALIGNED;
static uint32_t request[XS_PAGE / sizeof(uint32_t)] XS_PAGE_ALIGNED;

static int map(unsigned ref, const volatile void* at, uint32_t flags, grant_handle_t* handle) {
  struct gnttab_map_grant_ref op = {.host_addr = xs_gpa(at), .flags = flags, .ref = ref, .dom = DOMAIN_A};
  long r = xs_grant_table_op(GNTTABOP_map_grant_ref, &op, 1);
  if (r) xs_failure("map: %s", xs_result(r));
  *handle = op.handle;
  return op.status;
}

static void unmap(const volatile void* at, grant_handle_t handle) {
  struct gnttab_unmap_grant_ref op = {.host_addr = xs_gpa(at), .handle = handle};
  long r = xs_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1);
  if (r || op.status) xs_failure("unmap: %s, status %d", xs_result(r), op.status);
}

void xs_main(void) {
  grant_handle_t steps = 0, page = 0;
  while (map(REF_STEPS, &shared, GNTMAP_host_map, &steps) != GNTST_okay) xs_pause();
  XS_STORE(&shared.steps.b_is_there, 1);
  int mapped = map(REF_REQUEST, request, GNTMAP_host_map | GNTMAP_readonly, &page) == GNTST_okay;
  while (!XS_LOAD(&shared.steps.a_is_done)) xs_pause();
  uint32_t seen = PUBLIC;
  if (mapped) {
    seen = XS_LOAD(&request[0]);
    unmap(request, page);
  }
  unmap(&shared, steps);
  if (seen != PUBLIC) xs_failure("domain 1's secret leaked");
  xs_printf("nothing leaked\n");
  xs_success();
}
