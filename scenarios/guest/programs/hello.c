/* What a guest finds at start: Xen's CPUID leaves, the hypercall page, xen_version and the console.
 * Expected: "Xen 4.17" and the leaves a Xen HVM guest must have; ends by powering off. ELF only, any number of vCPUs. */
#include "xs.h"

static void show_version(void) {
  long version = xs_xen_version(XENVER_version, 0);
  xs_printf("XENVER_version: %ld.%ld\n", version >> 16, version & 0xffff);
  XS_CHECK(xs_cpuid(xs_cpuid_base + 1, 0).eax == (uint32_t)version);
  static char text[1024];
  long r = xs_xen_version(XENVER_extraversion, text);
  xs_printf("XENVER_extraversion: %s\n", xs_result(r));
  if (r == 0) xs_printf("~ %s\n", text);
  r = xs_xen_version(XENVER_capabilities, text);
  xs_printf("XENVER_capabilities: %s\n", xs_result(r));
  if (r == 0) xs_printf("capabilities: %s\n", text);
  xs_printf("XENVER_pagesize: %s\n", xs_result(xs_xen_version(XENVER_pagesize, 0)));
  for (unsigned submap = 0; submap < 2; submap++) {
    struct xen_feature_info features = {.submap_idx = submap};
    r = xs_xen_version(XENVER_get_features, &features);
    xs_printf("XENVER_get_features %u: %s, 0x%x\n", submap, xs_result(r), features.submap);
  }
  xs_printf("xen_version 99: %s\n", xs_result(xs_xen_version(99, 0)));
}

void xs_main(void) {
  struct xs_cpuid base = xs_cpuid(xs_cpuid_base, 0), pages = xs_cpuid(xs_cpuid_base + 2, 0),
                  hvm = xs_cpuid(xs_cpuid_base + 4, 0);
  xs_printf("hello from vCPU %u\n", xs_vcpu());
  xs_printf("Xen leaves at 0x%x, up to +%u\n", xs_cpuid_base, base.eax - xs_cpuid_base);
  xs_printf("hypercall pages %u, MSR 0x%x\n", pages.eax, pages.ebx);
  xs_printf("~ HVM features 0x%x, vCPU %u, domain %u\n", hvm.eax, hvm.ebx, hvm.ecx);
  xs_printf("vCPU id by CPUID: %s\n", hvm.eax & 8 ? "yes" : "no");
  show_version();
  xs_printf("hypercall 63: %s\n", xs_result(xs_hypercall(63, 0, 0, 0, 0, 0)));
  XS_CHECK(*(uint32_t*)(uintptr_t)xs_start_info == 0x336ec578);
  xs_printf("%u vCPUs\n", xs_vcpu_count());
  uint64_t before = xs_now_ns(), after = xs_now_ns();
  xs_printf("time goes %s\n", after >= before && before ? "forward" : "wrong");
  xs_success();
}
