/* A grant mapped where another one is mapped already.
 * Expected: Xen takes the domain for broken; it ends as a crash, and nothing more is said. Xen only; 1 vCPU. */
#include "grant.h"

static unsigned char one[XS_PAGE] XS_PAGE_ALIGNED, two[XS_PAGE] XS_PAGE_ALIGNED;

void xs_main(void) {
  grant_handle_t handle = 0;
  domid_t self = own_domid();
  SHOW(place_grants());
  grant_v1(8, self, xs_gfn(one), GTF_permit_access);
  grant_v1(9, self, xs_gfn(two), GTF_permit_access);
  SHOW_GNTST(map_at(self, 8, 0x50000000, GNTMAP_host_map, &handle), "map");
  SHOW_GNTST(map_at(self, 9, 0x50000000, GNTMAP_host_map, &handle), "map another there");
  xs_success();
}
