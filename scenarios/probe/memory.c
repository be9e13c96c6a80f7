/* memory_op, each sub-op with its errors, in the order in which they are looked for, and what a call leaves behind.
 * Expected: one fact a line. ELF only, 1 vCPU, 64 MiB. */
#include "xs.h"

#define SCRATCH 0x2000ul  /* gfns of RAM that nobody uses: 32 MiB and up */
#define HOLE 0x9000ul     /* no RAM here: 144 MiB and up */
#define HIGH 0x90000ul    /* nor here */
#define NOWHERE ((void*)0xf0000000ul) /* an address without memory behind it */
#define XENMEM_claim_pages_ 24
#define START(op, done) ((op) | (done) << 6)

static xen_pfn_t list[1100];
static unsigned char map_page[XS_PAGE] XS_PAGE_ALIGNED;
static struct { uint64_t v[16]; } blank;

static void say(const char* what, long r) { xs_printf("%s: %s\n", what, xs_result(r)); }
static uint32_t word_at(unsigned long gfn) { return *(volatile uint32_t*)(gfn << 12); }
static void set_word_at(unsigned long gfn, uint32_t v) { *(volatile uint32_t*)(gfn << 12) = v; }

static long figure(unsigned op, domid_t dom) {
  struct xen_memory_domain q = {.domid = dom};
  return xs_memory_op(op, &q);
}
static long current_pages(void) { return figure(XENMEM_current_reservation, DOMID_SELF); }
static long start_pages;
static void say_pages(const char* what, long r) {
  xs_printf("%s: %s, pages %ld\n", what, xs_result(r), current_pages() - start_pages);
}

static long reserve(unsigned cmd, const xen_pfn_t* extents, unsigned long n, unsigned order, unsigned flags, domid_t dom) {
  struct xen_memory_reservation op = {.nr_extents = n, .extent_order = order, .mem_flags = flags, .domid = dom};
  set_xen_guest_handle(op.extent_start, (xen_pfn_t*)extents);
  return xs_memory_op(cmd, &op);
}

static void figures(void) {
  static const domid_t doms[] = {DOMID_SELF, 0, 99, 0x7ff1, 0x7ff2, 0x7ff4, 0x7fff, 0xffff};
  static const unsigned ops[] = {XENMEM_current_reservation, XENMEM_maximum_reservation, XENMEM_maximum_gpfn};
  for (unsigned o = 0; o < 3; o++) {
    for (unsigned i = 1; i < sizeof(doms) / sizeof(*doms); i++)
      xs_printf("figure %u of domain 0x%x: %s\n", ops[o], doms[i], xs_result(figure(ops[o], doms[i])));
    xs_printf("figure %u of ourselves: %s\n", ops[o], figure(ops[o], DOMID_SELF) >= 0 ? "a number" : xs_result(figure(ops[o], DOMID_SELF)));
    xs_printf("figure %u at nowhere: %s\n", ops[o], xs_result(xs_memory_op(ops[o], NOWHERE)));
    xs_printf("figure %u from 1 on: %s\n", ops[o], xs_result(xs_memory_op(START(ops[o], 1), &blank)));
  }
  xs_printf("maximum less current: %ld pages\n", figure(XENMEM_maximum_reservation, DOMID_SELF) - current_pages());
  xs_printf("~current %ld, maximum_gpfn 0x%lx, ram page 0x%lx\n", current_pages(), figure(XENMEM_maximum_gpfn, DOMID_SELF), xs_memory_op(XENMEM_maximum_ram_page, 0));
  long ram_page = xs_memory_op(XENMEM_maximum_ram_page, 0);
  say("maximum_ram_page", ram_page > 0 ? 0 : ram_page);
  say("maximum_ram_page from 1 on", xs_memory_op(START(XENMEM_maximum_ram_page, 1), 0));
}

static void reservation_errors(void) {
  static const unsigned ops[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation, XENMEM_populate_physmap};
  for (unsigned o = 0; o < 3; o++) {
    unsigned op = ops[o];
    list[0] = HOLE; list[1] = HOLE + 1; list[2] = HOLE + 2;
    xs_printf("reserve %u\n", op);
    say("  at nowhere", xs_memory_op(op, NOWHERE));
    say("  at nowhere from 5", xs_memory_op(START(op, 5), NOWHERE));
    say("  of nothing", reserve(op, list, 0, 0, 0, DOMID_SELF));
    say("  3 from 3", reserve(START(op, 3), list, 3, 0, 0, DOMID_SELF));
    say("  3 from 4", reserve(START(op, 4), list, 3, 0, 0, DOMID_SELF));
    say("  too many", reserve(op, list, 0x4000000, 0, 0, DOMID_SELF));
    say("  too many from 7", reserve(START(op, 7), list, 0x4000000, 0, 0, DOMID_SELF));
    say("  domain 0", reserve(op, list, 1, 0, 0, 0));
    say("  domain 99", reserve(op, list, 1, 0, 0, 99));
    say("  domain 99 3 from 2", reserve(START(op, 2), list, 3, 0, 0, 99));
    say("  order 10", reserve(op, list, 1, 10, 0, DOMID_SELF));
    say("  order 32", reserve(op, list, 1, 32, 0, DOMID_SELF));
    say("  order 63", reserve(op, list, 1, 63, 0, DOMID_SELF));
    say("  order 4294967295", reserve(op, list, 1, 4294967295u, 0, DOMID_SELF));
    say("  1 address bit", reserve(op, list, 1, 0, 1, DOMID_SELF));
    say("  12 address bits", reserve(op, list, 1, 0, 12, DOMID_SELF));
    say("  exact node", reserve(op, list, 1, 0, XENMEMF_exact_node(0), DOMID_SELF));
    say("  list at nowhere", reserve(op, NOWHERE, 1, 0, 0, DOMID_SELF));
    say_pages("  so far", 0);
  }
}

static void decrease(void) {
  set_word_at(SCRATCH, 0x11111111);
  list[0] = SCRATCH; list[1] = SCRATCH + 1; list[2] = HOLE; list[3] = SCRATCH + 2;
  say_pages("decrease of RAM, RAM, a hole, RAM", reserve(XENMEM_decrease_reservation, list, 4, 0, 0, DOMID_SELF));
  xs_printf("what is there now: 0x%x\n", word_at(SCRATCH));
  say_pages("decrease again", reserve(XENMEM_decrease_reservation, list, 4, 0, 0, DOMID_SELF));
  list[0] = SCRATCH + 4; list[1] = SCRATCH + 5;
  say_pages("decrease of the second of two alone", reserve(START(XENMEM_decrease_reservation, 1), list, 2, 0, 0, DOMID_SELF));
  say_pages("decrease of a pair whose second is a hole", reserve(XENMEM_decrease_reservation, list, 1, 1, 0, DOMID_SELF));
  list[0] = 1ul << 28;
  say_pages("decrease of gfn 2^28", reserve(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF));
  list[0] = ~0ul;
  say_pages("decrease of gfn ~0", reserve(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF));
  list[0] = SCRATCH + 0x200;
  say_pages("decrease of 2 MiB", reserve(XENMEM_decrease_reservation, list, 1, 9, 0, DOMID_SELF));
  say_pages("  with 1 address bit", reserve(XENMEM_decrease_reservation, list, 1, 0, 1, DOMID_SELF));
  list[0] = SCRATCH + 8;
  say_pages("decrease with 20 address bits", reserve(XENMEM_decrease_reservation, list, 1, 0, 20, DOMID_SELF));
  list[0] = SCRATCH + 9;
  say_pages("decrease with flag populate_on_demand", reserve(XENMEM_decrease_reservation, list, 1, 0, XENMEMF_populate_on_demand, DOMID_SELF));
}

static void populate(void) {
  list[0] = SCRATCH; list[1] = SCRATCH + 1; list[2] = SCRATCH + 3;
  set_word_at(SCRATCH + 3, 0x33333333);
  say_pages("populate of two holes and RAM", reserve(XENMEM_populate_physmap, list, 3, 0, 0, DOMID_SELF));
  xs_printf("what is there now: 0x%x 0x%x 0x%x\n", word_at(SCRATCH), word_at(SCRATCH + 1), word_at(SCRATCH + 3));
  set_word_at(SCRATCH, 0x44444444);
  xs_printf("written: 0x%x\n", word_at(SCRATCH));
  list[0] = SCRATCH + 0x200;
  say_pages("populate of 2 MiB", reserve(XENMEM_populate_physmap, list, 1, 9, 0, DOMID_SELF));
  xs_printf("what is there now: 0x%x 0x%x\n", word_at(SCRATCH + 0x200), word_at(SCRATCH + 0x3ff));
  list[0] = HOLE;
  say_pages("populate on demand", reserve(XENMEM_populate_physmap, list, 1, 0, XENMEMF_populate_on_demand, DOMID_SELF));
  say_pages("populate on demand, order 12", reserve(XENMEM_populate_physmap, list, 1, 12, XENMEMF_populate_on_demand, DOMID_SELF));
  list[0] = HOLE + 0x21;
  say_pages("populate of a pair at an odd gfn", reserve(XENMEM_populate_physmap, list, 1, 1, 0, DOMID_SELF));
  list[0] = HIGH;
  say_pages("populate at a high gfn", reserve(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF));
  xs_printf("maximum_gpfn %s\n", figure(XENMEM_maximum_gpfn, DOMID_SELF) >= (long)HIGH ? "followed" : "did not follow");
#ifdef __x86_64__
  list[0] = 1ul << 28;
  say_pages("populate at gfn 2^28", reserve(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF));
  xs_printf("maximum_gpfn 0x%lx\n", figure(XENMEM_maximum_gpfn, DOMID_SELF));
  say_pages("decrease there", reserve(XENMEM_decrease_reservation, list, 1, 0, 0, DOMID_SELF));
  list[0] = 1ul << 36;
  say_pages("populate at gfn 2^36", reserve(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF));
  list[0] = 1ul << 52;
  say_pages("populate at gfn 2^52", reserve(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF));
#endif
  list[0] = ~0ul;
  say_pages("populate at gfn ~0", reserve(XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF));
  say_pages("populate with 12 address bits", reserve(XENMEM_populate_physmap, list, 1, 0, 12, DOMID_SELF));
  list[0] = HOLE + 0x30;
  say_pages("populate with 32 address bits", reserve(XENMEM_populate_physmap, list, 1, 0, 32, DOMID_SELF));
  list[0] = HOLE + 0x31;
  say_pages("populate with flag vnode", reserve(XENMEM_populate_physmap, list, 1, 0, XENMEMF_vnode | XENMEMF_node(3), DOMID_SELF));
  list[0] = HOLE + 0x32;
  say_pages("populate with a node", reserve(XENMEM_populate_physmap, list, 1, 0, XENMEMF_node(3), DOMID_SELF));
}

static void increase(void) {
  say_pages("increase by 2, no list", reserve(XENMEM_increase_reservation, 0, 2, 0, 0, DOMID_SELF));
  list[0] = 5;
  say_pages("increase by 1, list", reserve(XENMEM_increase_reservation, list, 1, 0, 0, DOMID_SELF));
  xs_printf("~the list says %lu\n", (unsigned long)list[0]);
  say_pages("increase 3 from 2", reserve(START(XENMEM_increase_reservation, 2), 0, 3, 0, 0, DOMID_SELF));
  say_pages("increase by an order of 9", reserve(XENMEM_increase_reservation, 0, 1, 9, 0, DOMID_SELF));
  say_pages("increase by 2, list at nowhere", reserve(XENMEM_increase_reservation, NOWHERE, 2, 0, 0, DOMID_SELF));
  unsigned long left = (unsigned long)(figure(XENMEM_maximum_reservation, DOMID_SELF) - current_pages());
  for (unsigned i = 0; i < 1000; i++) list[i] = HOLE + 0x1000 + i;
  long r = reserve(XENMEM_populate_physmap, list, left + 5, 0, 0, DOMID_SELF);
  xs_printf("populate of 5 more than are left: %s\n", r == (long)left ? "all that are left" : xs_result(r));
  say("maximum less current", figure(XENMEM_maximum_reservation, DOMID_SELF) - current_pages());
  say("increase at the maximum", reserve(XENMEM_increase_reservation, 0, 1, 0, 0, DOMID_SELF));
  say("decrease what was populated", reserve(XENMEM_decrease_reservation, list, left, 0, 0, DOMID_SELF) == (long)left ? 0 : -1);
}

static long map(unsigned cmd, unsigned space, unsigned size, unsigned long idx, unsigned long gfn, domid_t dom) {
  struct xen_add_to_physmap op = {.domid = dom, .size = size, .space = space, .idx = idx, .gpfn = gfn};
  return xs_memory_op(cmd, &op);
}
static long map_one(unsigned space, unsigned long idx, unsigned long gfn) { return map(XENMEM_add_to_physmap, space, 0, idx, gfn, DOMID_SELF); }
static long unmap(unsigned long gfn, domid_t dom) {
  struct xen_remove_from_physmap op = {.domid = dom, .gpfn = gfn};
  return xs_memory_op(XENMEM_remove_from_physmap, &op);
}

static void map_errors(void) {
  say("map at nowhere", xs_memory_op(XENMEM_add_to_physmap, NOWHERE));
  say("map from 65536", map(START(XENMEM_add_to_physmap, 65536), 0, 0, 0, HOLE, DOMID_SELF));
  say("map from 65535", map(START(XENMEM_add_to_physmap, 65535), 99, 0, 0, HOLE, DOMID_SELF));
  static const domid_t doms[] = {0, 99, 0x7ff1, 0x7ff2, 0x7fff};
  for (unsigned i = 0; i < 5; i++) {
    xs_printf("map for domain 0x%x: %s", doms[i], xs_result(map(XENMEM_add_to_physmap, 0, 0, 0, HOLE, doms[i])));
    xs_printf(", foreign %s, mmio %s", xs_result(map(XENMEM_add_to_physmap, 4, 0, 0, HOLE, doms[i])), xs_result(map(XENMEM_add_to_physmap, 5, 0, 0, HOLE, doms[i])));
    xs_printf(", space 9 %s, range %s\n", xs_result(map(XENMEM_add_to_physmap, 9, 0, 0, HOLE, doms[i])), xs_result(map(XENMEM_add_to_physmap, 3, 1, 0, HOLE, doms[i])));
    xs_printf("unmap for domain 0x%x: %s\n", doms[i], xs_result(unmap(HOLE, doms[i])));
  }
  for (unsigned space = 4; space < 8; space++) xs_printf("map space %u: %s\n", space, xs_result(map_one(space, 0, HOLE)));
  for (unsigned space = 0; space < 7; space++) {
    long r = space == 0 || space == 1 ? map_one(space, 77, HOLE) : map_one(space, HOLE + 3, HOLE);
    xs_printf("map space %u of a bad index: %s\n", space, xs_result(r));
  }
  if (current_pages() < 0) return; /* QEMU does not survive what follows */
  say("map shared_info at gfn 2^28", map_one(0, 0, 1ul << 28));
  say("map shared_info at gfn ~0", map_one(0, 0, ~0ul));
  say("map gmfn at gfn ~0", map_one(2, SCRATCH, ~0ul));
  say("map space 9 at gfn ~0", map_one(9, 0, ~0ul));
#ifdef __x86_64__
  say("map shared_info at gfn 2^36", map_one(0, 0, 1ul << 36));
  say("map shared_info at gfn 2^52", map_one(0, 0, 1ul << 52));
  say("map grant table at gfn 2^36", map_one(1, 0, 1ul << 36));
#endif
}

static void overlays(void) {
  unsigned long at = SCRATCH + 0x40;
  set_word_at(at, 0xa5a5a5a5);
  say_pages("shared_info over RAM", map_one(0, 0, at));
  struct shared_info* info = (struct shared_info*)(at << 12);
  xs_printf("it is there: %s\n", info->vcpu_info[0].time.tsc_to_system_mul ? "yes" : "no");
  say_pages("shared_info there again", map_one(0, 0, at));
  say_pages("shared_info elsewhere", map_one(0, 0, HOLE + 0x100));
  xs_printf("what is left: 0x%x\n", word_at(at));
  xs_printf("it is there: %s\n", ((struct shared_info*)((HOLE + 0x100) << 12))->vcpu_info[0].time.tsc_to_system_mul ? "yes" : "no");
  set_word_at(at + 1, 0xb6b6b6b6);
  say_pages("grant frame 0 over RAM", map_one(1, 0, at + 1));
  xs_printf("~what is there: 0x%x\n", word_at(at + 1)); /* the toolstack's own grants */
  set_word_at(at + 1, 0x77);
  say_pages("grant frame 0 at another gfn", map_one(1, 0, at + 2));
  xs_printf("what is left: 0x%x, there: 0x%x\n", word_at(at + 1), word_at(at + 2));
  say_pages("grant frame 3 over frame 0", map_one(1, 3, at + 2));
  xs_printf("there: 0x%x\n", word_at(at + 2));
  say_pages("grant frame 0 elsewhere", map_one(1, 0, HOLE + 0x101));
  xs_printf("there: 0x%x\n", word_at(HOLE + 0x101));
  say("grant frame 63", map_one(1, 63, HOLE + 0x102));
  say("grant frame 64", map_one(1, 64, HOLE + 0x102));
  say("grant status frame 0", map_one(1, 0x80000000ul, HOLE + 0x102));
  say_pages("shared_info over grant frame 0", map_one(0, 0, HOLE + 0x101));
  say_pages("shared_info home", map_one(0, 0, xs_gfn(&xs_shared_info)));
  xs_printf("what is left: 0x%x\n", word_at(HOLE + 0x101));
  say_pages("unmap shared_info", unmap(xs_gfn(&xs_shared_info), DOMID_SELF));
  xs_printf("what is left: 0x%x\n", *(volatile uint32_t*)&xs_shared_info);
  say_pages("shared_info home", map_one(0, 0, xs_gfn(&xs_shared_info)));
}

static void move(void) {
  unsigned long at = SCRATCH + 0x60;
  for (unsigned i = 0; i < 8; i++) set_word_at(at + i, 0x500 + i);
  say_pages("gmfn to a hole", map_one(2, at, HOLE + 0x110));
  xs_printf("left 0x%x, there 0x%x\n", word_at(at), word_at(HOLE + 0x110));
  say_pages("gmfn of a hole", map_one(2, at, HOLE + 0x111));
  say_pages("gmfn onto RAM", map_one(2, HOLE + 0x110, at + 1));
  xs_printf("left 0x%x, there 0x%x\n", word_at(HOLE + 0x110), word_at(at + 1));
  say_pages("gmfn onto itself", map_one(2, at + 1, at + 1));
  xs_printf("there 0x%x\n", word_at(at + 1));
  say_pages("gmfn onto shared_info", map_one(2, at + 1, xs_gfn(&xs_shared_info)));
  xs_printf("left 0x%x, there 0x%x\n", word_at(at + 1), *(volatile uint32_t*)&xs_shared_info);
  say_pages("shared_info home", map_one(0, 0, xs_gfn(&xs_shared_info)));
  say_pages("gmfn of shared_info", map_one(2, xs_gfn(&xs_shared_info), HOLE + 0x112));
  say_pages("shared_info home", map_one(0, 0, xs_gfn(&xs_shared_info)));
  say_pages("range of 2", map(XENMEM_add_to_physmap, 3, 2, at + 2, HOLE + 0x120, DOMID_SELF));
  xs_printf("left 0x%x 0x%x, there 0x%x 0x%x\n", word_at(at + 2), word_at(at + 3), word_at(HOLE + 0x120), word_at(HOLE + 0x121));
  say_pages("range of 3, the second a hole", map(XENMEM_add_to_physmap, 3, 3, HOLE + 0x121, HOLE + 0x130, DOMID_SELF));
  xs_printf("there 0x%x 0x%x\n", word_at(HOLE + 0x130), word_at(HOLE + 0x131));
  say_pages("range of 3 from 1", map(START(XENMEM_add_to_physmap, 1), 3, 3, at + 4, HOLE + 0x140, DOMID_SELF));
  xs_printf("left 0x%x 0x%x, there 0x%x 0x%x\n", word_at(at + 4), word_at(at + 5), word_at(HOLE + 0x140), word_at(HOLE + 0x141));
  say_pages("range of 3 from 3", map(START(XENMEM_add_to_physmap, 3), 3, 3, at + 4, HOLE + 0x140, DOMID_SELF));
  say_pages("range of 3 from 4", map(START(XENMEM_add_to_physmap, 4), 3, 3, at + 4, HOLE + 0x140, DOMID_SELF));
  say_pages("range of 0", map(XENMEM_add_to_physmap, 3, 0, at + 4, HOLE + 0x140, DOMID_SELF));
  if (current_pages() >= 0) {
  say_pages("range over the end of gfns", map(XENMEM_add_to_physmap, 3, 9, at + 4, ~0ul - 3, DOMID_SELF));
  say_pages("range over the end of indices", map(XENMEM_add_to_physmap, 3, 9, ~0ul - 3, HOLE, DOMID_SELF));
  }
  say_pages("unmap RAM", unmap(HOLE + 0x120, DOMID_SELF));
  say_pages("unmap it again", unmap(HOLE + 0x120, DOMID_SELF));
  say("unmap gfn ~0", unmap(~0ul, DOMID_SELF));
  say("unmap at nowhere", xs_memory_op(XENMEM_remove_from_physmap, NOWHERE));
  say("unmap grant frame 3", unmap(at - 0x20 + 2, DOMID_SELF));
}

static long batch(unsigned cmd, unsigned space, unsigned size, unsigned extra, domid_t dom, void* idxs, void* gfns, void* errs) {
  struct xen_add_to_physmap_batch op = {.domid = dom, .space = space, .size = size};
  op.u.foreign_domid = extra;
  set_xen_guest_handle(op.idxs, (xen_ulong_t*)idxs);
  set_xen_guest_handle(op.gpfns, (xen_pfn_t*)gfns);
  set_xen_guest_handle(op.errs, (int*)errs);
  return xs_memory_op(cmd, &op);
}
static xen_ulong_t idxs[8];
static int errs[8];

static void batches(void) {
  unsigned b = XENMEM_add_to_physmap_batch;
  say("batch at nowhere", xs_memory_op(b, NOWHERE));
  say("batch from 65536", batch(START(b, 65536), 0, 0, 0, DOMID_SELF, idxs, list, errs));
  for (unsigned space = 0; space < 8; space++) {
    xs_printf("batch of none, space %u: %s", space, xs_result(batch(b, space, 0, 0, DOMID_SELF, idxs, list, errs)));
    xs_printf(", domain 0 %s, domain 99 %s\n", xs_result(batch(b, space, 0, 0, 0, idxs, list, errs)), xs_result(batch(b, space, 0, 0, 99, idxs, list, errs)));
  }
  for (unsigned i = 0; i < 4; i++) { idxs[i] = SCRATCH + 0x80 + i; list[i] = HOLE + 0x150 + i; errs[i] = 99; }
  idxs[1] = HOLE;
  say_pages("batch gmfn, the second a hole", batch(b, 2, 3, 0, DOMID_SELF, idxs, list, errs));
  xs_printf("errors %s %s %s, %d untouched\n", xs_result(errs[0]), xs_result(errs[1]), xs_result(errs[2]), errs[3]);
  say("batch of 3 from 3", batch(START(b, 3), 2, 3, 0, DOMID_SELF, idxs, list, errs));
  say("batch of 3 from 4", batch(START(b, 4), 2, 3, 0, DOMID_SELF, idxs, list, errs));
  errs[3] = 99;
  say("batch of 4 from 3", batch(START(b, 3), 2, 4, 0, DOMID_SELF, idxs, list, errs));
  xs_printf("error %s\n", xs_result(errs[3]));
  say("batch, indices at nowhere", batch(b, 2, 1, 0, DOMID_SELF, NOWHERE, list, errs));
  say("batch, gfns at nowhere", batch(b, 2, 1, 0, DOMID_SELF, idxs, NOWHERE, errs));
  idxs[0] = SCRATCH + 0x90; list[0] = HOLE + 0x160; set_word_at(SCRATCH + 0x90, 0x999);
  say("batch, errors at nowhere", batch(b, 2, 1, 0, DOMID_SELF, idxs, list, NOWHERE));
  xs_printf("it was moved all the same: 0x%x\n", word_at(HOLE + 0x160));
  if (current_pages() >= 0) {
  idxs[0] = SCRATCH + 0x91; idxs[1] = SCRATCH + 0x92; list[0] = HOLE + 0x161; list[1] = ~0ul; errs[1] = 99;
  say("batch, the second at gfn ~0", batch(b, 2, 2, 0, DOMID_SELF, idxs, list, errs));
  xs_printf("errors %s %s\n", xs_result(errs[0]), xs_result(errs[1]));
  }
  static const domid_t foreign[] = {DOMID_SELF, 0, 99, 0x7ff1, 0x7ff2, 0x7fff};
  for (unsigned i = 0; i < 6; i++) {
    idxs[0] = 5; list[0] = HOLE + 0x170; errs[0] = 99;
    long r = batch(b, 4, 1, foreign[i], DOMID_SELF, idxs, list, errs);
    xs_printf("batch of foreign pages of 0x%x: %s, error %s\n", foreign[i], xs_result(r), xs_result(errs[0]));
  }
  for (unsigned space = 0; space < 8; space++) {
    idxs[0] = 7777; list[0] = HOLE + 0x170; errs[0] = 99;
    long r = batch(b, space, 1, 1, DOMID_SELF, idxs, list, errs);
    xs_printf("batch of a bad index, space %u: %s, error %s\n", space, xs_result(r), xs_result(errs[0]));
  }
}

static void maps(void) {
  struct xen_memory_map m = {.nr_entries = 100};
  set_xen_guest_handle(m.buffer, (void*)map_page);
  say("memory_map", xs_memory_op(XENMEM_memory_map, &m));
  xs_printf("entries %u\n", m.nr_entries);
  for (unsigned i = 0; i < m.nr_entries && i < 20; i++) {
    uint64_t start, size;
    uint32_t type;
    memcpy(&start, map_page + 20 * i, 8), memcpy(&size, map_page + 20 * i + 8, 8), memcpy(&type, map_page + 20 * i + 16, 4);
    xs_printf("entry %u: 0x%llx + 0x%llx type %u\n", i, (unsigned long long)start, (unsigned long long)size, type);
  }
  m.nr_entries = 0;
  say("memory_map of none", xs_memory_op(XENMEM_memory_map, &m));
  m.nr_entries = 1;
  say("memory_map of 1", xs_memory_op(XENMEM_memory_map, &m));
  xs_printf("entries %u\n", m.nr_entries);
  set_xen_guest_handle(m.buffer, NOWHERE);
  say("memory_map to nowhere", xs_memory_op(XENMEM_memory_map, &m));
  say("memory_map at nowhere", xs_memory_op(XENMEM_memory_map, NOWHERE));
  say("memory_map from 1", xs_memory_op(START(XENMEM_memory_map, 1), &m));
  say("machine_memory_map", xs_memory_op(XENMEM_machine_memory_map, &m));
  say("machine_memory_map at nowhere", xs_memory_op(XENMEM_machine_memory_map, NOWHERE));
  say("machphys_mapping", xs_memory_op(XENMEM_machphys_mapping, &blank));
  say("machphys_mapping at nowhere", xs_memory_op(XENMEM_machphys_mapping, NOWHERE));
  struct xen_foreign_memory_map f = {.domid = DOMID_SELF};
  f.map.nr_entries = 1025;
  say("set_memory_map of 1025", xs_memory_op(XENMEM_set_memory_map, &f));
  f.map.nr_entries = 2;
  set_xen_guest_handle(f.map.buffer, NOWHERE);
  say("set_memory_map from nowhere", xs_memory_op(XENMEM_set_memory_map, &f));
  set_xen_guest_handle(f.map.buffer, (void*)map_page);
  f.domid = 0;
  say("set_memory_map of domain 0", xs_memory_op(XENMEM_set_memory_map, &f));
  f.domid = 99;
  say("set_memory_map of domain 99", xs_memory_op(XENMEM_set_memory_map, &f));
  f.domid = DOMID_SELF;
  for (unsigned i = 0; i < 40; i++) map_page[i] = (unsigned char)i;
  say("set_memory_map of 2", xs_memory_op(XENMEM_set_memory_map, &f));
  memset(map_page, 0, sizeof map_page);
  m.nr_entries = 9;
  set_xen_guest_handle(m.buffer, (void*)map_page);
  say("memory_map", xs_memory_op(XENMEM_memory_map, &m));
  xs_printf("entries %u, bytes %u %u %u %u\n", m.nr_entries, map_page[1], map_page[19], map_page[39], map_page[40]);
  f.map.nr_entries = 0;
  say("set_memory_map of none", xs_memory_op(XENMEM_set_memory_map, &f));
  say("memory_map", xs_memory_op(XENMEM_memory_map, &m));
  say("set_memory_map at nowhere", xs_memory_op(XENMEM_set_memory_map, NOWHERE));
  say("set_memory_map from 1", xs_memory_op(START(XENMEM_set_memory_map, 1), &f));
}

static struct xen_memory_exchange swap;
static long exchange(unsigned long in, unsigned in_order, unsigned long out, unsigned out_order, unsigned long done, domid_t a, domid_t b) {
  memset(&swap, 0, sizeof swap);
  swap.in.nr_extents = in, swap.in.extent_order = in_order, swap.in.domid = a;
  swap.out.nr_extents = out, swap.out.extent_order = out_order, swap.out.domid = b;
  set_xen_guest_handle(swap.in.extent_start, list);
  set_xen_guest_handle(swap.out.extent_start, list + 100);
  swap.nr_exchanged = done;
  return xs_memory_op(XENMEM_exchange, &swap);
}
static void exchanges(void) {
  list[0] = SCRATCH + 0xa0; list[1] = SCRATCH + 0xa1; list[100] = HOLE + 0x180; list[101] = HOLE + 0x181;
  say("exchange at nowhere", xs_memory_op(XENMEM_exchange, NOWHERE));
  say("exchange from 1", xs_memory_op(START(XENMEM_exchange, 1), &swap));
  say("exchange of none", exchange(0, 0, 0, 0, 0, DOMID_SELF, DOMID_SELF));
  say("exchange of none of domain 99", exchange(0, 0, 0, 0, 0, 99, 99));
  say("exchange of order 10", exchange(1, 10, 1, 10, 0, DOMID_SELF, DOMID_SELF));
  say("exchange of order 10 for two of 9", exchange(1, 10, 2, 9, 0, DOMID_SELF, DOMID_SELF));
  say("exchange of 1 for 2", exchange(1, 0, 2, 0, 0, DOMID_SELF, DOMID_SELF));
  say("exchange of more done than there are", exchange(1, 0, 1, 0, 2, DOMID_SELF, DOMID_SELF));
  say("exchange of all done", exchange(1, 0, 1, 0, 1, DOMID_SELF, DOMID_SELF));
  say("exchange between domains", exchange(1, 0, 1, 0, 0, DOMID_SELF, 99));
  say("exchange of domain 99", exchange(1, 0, 1, 0, 0, 99, 99));
  say("exchange of domain 0", exchange(1, 0, 1, 0, 0, 0, 0));
  say_pages("exchange", exchange(1, 0, 1, 0, 0, DOMID_SELF, DOMID_SELF));
  xs_printf("exchanged %lu\n", (unsigned long)swap.nr_exchanged);
  say_pages("exchange of 2 for a pair", exchange(2, 0, 1, 1, 0, DOMID_SELF, DOMID_SELF));
  list[0] = HOLE;
  say_pages("exchange of a hole", exchange(1, 0, 1, 0, 0, DOMID_SELF, DOMID_SELF));
  list[0] = xs_gfn(&xs_shared_info);
  say_pages("exchange of shared_info", exchange(1, 0, 1, 0, 0, DOMID_SELF, DOMID_SELF));
  list[0] = SCRATCH + 0xa0;
  exchange(1, 0, 1, 0, 0, DOMID_SELF, DOMID_SELF);
  set_xen_guest_handle(swap.in.extent_start, NOWHERE);
  swap.nr_exchanged = 0;
  say("exchange, in at nowhere", xs_memory_op(XENMEM_exchange, &swap));
  set_xen_guest_handle(swap.in.extent_start, list);
  swap.out.mem_flags = XENMEMF_exact_node(1);
  say("exchange, exact node", xs_memory_op(XENMEM_exchange, &swap));
}

static long with_word(unsigned op, unsigned at, uint64_t v) {
  memset(&blank, 0, sizeof blank);
  memcpy((char*)&blank + at, &v, 8);
  return xs_memory_op(op, &blank);
}
static void others(void) {
  static const domid_t doms[] = {DOMID_SELF, 0, 99, 0x7ff2};
  unsigned pod_dom = 32;
  for (unsigned i = 0; i < 4; i++) {
    xs_printf("domain 0x%x: set_pod %s", doms[i], xs_result(with_word(16, pod_dom, doms[i])));
    xs_printf(", get_pod %s, access %s", xs_result(with_word(17, pod_dom, doms[i])), xs_result(with_word(21, 2, doms[i])));
    xs_printf(", vnuma %s, claim %s\n", xs_result(with_word(26, 0, doms[i])), xs_result(with_word(24, sizeof(long) == 8 ? 24 : 16, doms[i])));
  }
  say("set_pod at nowhere", xs_memory_op(16, NOWHERE));
  say("access at nowhere", xs_memory_op(21, NOWHERE));
  say("access op 9 of domain 99", with_word(21, 0, 99ull << 16 | 9));
  say("vnuma with padding", with_word(26, 0, 1ull << 32 | DOMID_SELF));
  say("vnuma with padding 2", with_word(26, 0, 1ull << 16 | DOMID_SELF));
  say("vnuma at nowhere", xs_memory_op(26, NOWHERE));
  xs_printf("claim: list %s, order %s, flags %s\n", xs_result(with_word(24, 0, 1)), xs_result(with_word(24, sizeof(long) == 8 ? 16 : 8, 1)), xs_result(with_word(24, sizeof(long) == 8 ? 20 : 12, 1)));
  say("rdm: none", with_word(27, 0, 0));
  say("rdm: all", with_word(27, 0, 1));
  say("rdm: all, 5 entries", with_word(27, 0, 5ull << 32 | 1));
  xs_printf("entries %u\n", (unsigned)(blank.v[0] >> 32));
  say("rdm: flag 2", with_word(27, 0, 2));
  say("rdm at nowhere", xs_memory_op(27, NOWHERE));
  say("rdm from 1", xs_memory_op(START(27, 1), &blank));
  say("acquire_resource", with_word(28, 0, DOMID_SELF));
  say("acquire_resource of 0", with_word(28, 0, 0));
  say("acquire_resource at nowhere", xs_memory_op(28, NOWHERE));
  struct xen_machphys_mfn_list mfns = {.max_extents = 4};
  set_xen_guest_handle(mfns.extent_start, list);
  list[0] = list[1] = 0;
  say("machphys_mfn_list", xs_memory_op(XENMEM_machphys_mfn_list, &mfns));
  xs_printf("~extents %u: 0x%lx 0x%lx\n", mfns.nr_extents, (unsigned long)list[0], (unsigned long)list[1]);
  mfns.max_extents = 0;
  say("machphys_mfn_list of none", xs_memory_op(XENMEM_machphys_mfn_list, &mfns));
  xs_printf("extents %u\n", mfns.nr_extents);
  mfns.max_extents = 4;
  set_xen_guest_handle(mfns.extent_start, NOWHERE);
  say("machphys_mfn_list to nowhere", xs_memory_op(XENMEM_machphys_mfn_list, &mfns));
  say("machphys_mfn_list at nowhere", xs_memory_op(XENMEM_machphys_mfn_list, NOWHERE));
  say("machphys_compat_mfn_list", xs_memory_op(XENMEM_machphys_compat_mfn_list, &mfns));
  say("machphys_compat_mfn_list at nowhere", xs_memory_op(XENMEM_machphys_compat_mfn_list, NOWHERE));
  for (unsigned op = 0; op < 64; op++) {
    if (op != 2 && op != 8 && (op < 18 || op > 20) && op != 22 && op < 29) continue;
    if (op == 2) continue;
    long r = with_word(op, 0, DOMID_SELF);
    if (r != -XEN_ENOSYS) xs_printf("op %u: %s\n", op, xs_result(r));
  }
  for (unsigned op = 0; op < 30; op++) {
    memset(&blank, 0, sizeof blank);
    xs_printf("op %u from 1 with zeroes: %s\n", op, xs_result(xs_memory_op(START(op, 1), &blank)));
  }
#ifdef __x86_64__
  say("op 3 with upper bits", xs_hypercall2(__HYPERVISOR_memory_op, 3 | 1ul << 32, &blank));
#endif
}

static void own_number(void) {
  uint32_t id = xs_cpuid(xs_cpuid_base + 4, 0).ecx;
  domid_t own = (domid_t)(id ? id : 1);
  say("current_reservation by number", figure(XENMEM_current_reservation, own) == current_pages() ? 0 : figure(XENMEM_current_reservation, own));
  list[0] = HOLE;
  say("decrease of a hole by number", reserve(XENMEM_decrease_reservation, list, 1, 0, 0, own));
  say("map by number", map(XENMEM_add_to_physmap, 0, 0, 0, xs_gfn(&xs_shared_info), own));
  say("unmap by number", unmap(HOLE, own));
  say("batch by number", batch(XENMEM_add_to_physmap_batch, 0, 0, 0, own, idxs, list, errs));
  say("exchange by number", exchange(1, 0, 1, 0, 0, own, own));
  xs_printf("pod %s, access %s, claim %s", xs_result(with_word(16, 32, own)), xs_result(with_word(21, 2, own)), xs_result(with_word(24, sizeof(long) == 8 ? 24 : 16, own)));
  xs_printf(", vnuma %s, acquire %s\n", xs_result(with_word(26, 0, own)), xs_result(with_word(28, 0, own)));
  struct xen_memory_reservation claim = {.domid = own};
  say("claim by number", xs_memory_op(XENMEM_claim_pages_, &claim));
  claim.domid = 0;
  say("claim of domain 0", xs_memory_op(XENMEM_claim_pages_, &claim));
}

void xs_main(void) {
  start_pages = current_pages();
  figures();
  own_number();
  reservation_errors();
  start_pages = current_pages();
  decrease();
  populate();
  increase();
  start_pages = current_pages();
  map_errors();
  overlays();
  move();
  batches();
  exchanges();
  others();
  maps();
  xs_success();
}
