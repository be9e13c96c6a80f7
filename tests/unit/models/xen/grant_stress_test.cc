// Grants and memory on real threads: pins and references balance whatever races, also when a domain ends in the middle.
#include <doctest/doctest.h>

#include "tests/unit/models/xen/stress.h"

namespace xensim {
namespace {

constexpr uint32_t kRefs = 6;          // grants of domain 1 that everybody fights for, from 8 on
constexpr uint64_t kWindow = 0x10000;  // gfns where mappings are shown, far above RAM; a stretch for each vCPU
constexpr uint64_t kGrantGfn = 0x70000;

// Domain 1 shows its grant table to itself, and grants its pages 40 to 45 to domain 2.
uint64_t grant_pages(Stress& stress, uint16_t to) {
  xen_add_to_physmap place{};
  place.domid = DOMID_SELF;
  place.space = XENMAPSPACE_grant_table;
  place.gpfn = kGrantGfn;
  XS_CHECK(stress.call_with(Stress::vcpu(1, 0), __HYPERVISOR_memory_op, XENMEM_add_to_physmap, place) == 0);
  // Each domain's first pages are shared_info and the frame of its grant table.
  const uint64_t frame = Stress::kRam * 2 + kPageSize;
  for (uint32_t i = 0; i < kRefs; ++i) {
    const grant_entry_v1_t entry{GTF_permit_access, to, 40 + i};
    std::memcpy(stress.platform.host(Maddr{frame + (8 + i) * sizeof(entry)}), &entry, sizeof(entry));
  }
  return frame;
}

// One vCPU that maps, unmaps and copies; it knows what it has mapped.
class Mapper {
 public:
  Mapper(Stress& stress, VcpuRef self) : stress_(stress), self_(self), prng_(self.vcpu.v * 7 + self.dom.v) {}

  void step() {
    switch (prng_.below(5)) {
      case 0: map(); return;
      case 1: unmap_one(); return;
      case 2: copy_mapped(); return;
      default: copy(); return;
    }
  }
  void unmap_all() {
    while (!mapped_.empty()) unmap_one();
  }
  // Copies from mappings that succeeded.
  unsigned copied() const { return copied_; }

 private:
  struct Mapping {
    uint32_t handle;
    uint64_t gfn;
  };

  uint32_t reference() { return 8 + static_cast<uint32_t>(prng_.below(kRefs)); }

  void map() {
    if (mapped_.size() > 8) return;
    gnttab_map_grant_ref op{};
    const uint64_t gfn = kWindow + self_.vcpu.v * 0x1000 + next_++ % 0x1000;
    op.host_addr = gfn << kPageShift;
    op.flags = GNTMAP_host_map | (prng_.below(2) == 0 ? GNTMAP_readonly : 0);
    op.ref = reference();
    op.dom = 1;
    if (stress_.call_with(self_, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, op) != 0) return;
    if (op.status == GNTST_okay) mapped_.push_back({op.handle, gfn});
  }
  void unmap_one() {
    if (mapped_.empty()) return;
    const Mapping last = mapped_.back();
    mapped_.pop_back();
    gnttab_unmap_grant_ref op{};
    op.host_addr = last.gfn << kPageShift;
    op.handle = last.handle;
    const int64_t result = stress_.call_with(self_, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, op);
    // A domain that has ended, or is about to, has no mappings any more.
    XS_CHECK(result == 0 && (op.status == GNTST_okay || !stress_.core.api->is_runnable(self_)));
  }
  void copy() {
    gnttab_copy op{};
    const bool from_grant = prng_.below(2) == 0;
    gnttab_copy::gnttab_copy_ptr& granted = from_grant ? op.source : op.dest;
    gnttab_copy::gnttab_copy_ptr& own = from_grant ? op.dest : op.source;
    granted.u.ref = reference();
    granted.domid = 1;
    own.u.gmfn = 48 + self_.vcpu.v;
    own.domid = DOMID_SELF;
    op.len = 512;
    op.flags = from_grant ? GNTCOPY_source_gref : GNTCOPY_dest_gref;
    stress_.call_with(self_, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op);
  }

  // From a page as it is mapped; only a domain that maps its own may.
  void copy_mapped() {
    if (mapped_.empty()) return;
    gnttab_copy op{};
    op.source.u.gmfn = mapped_.back().gfn;
    op.source.domid = DOMID_SELF;
    op.dest.u.gmfn = 48 + self_.vcpu.v;
    op.dest.domid = DOMID_SELF;
    op.len = 64;
    XS_CHECK(stress_.call_with(self_, __HYPERVISOR_grant_table_op, GNTTABOP_copy, op) == 0);
    if (op.status == GNTST_okay) ++copied_;
  }

  Stress& stress_;
  const VcpuRef self_;
  Prng prng_;
  std::vector<Mapping> mapped_;
  uint64_t next_ = 0;
  unsigned copied_ = 0;
};

// The granting guest revokes and grants again, as fast as it can.
void flip_grants(Stress& stress, uint64_t frame, unsigned rounds, uint16_t to) {
  for (unsigned round = 0; round < rounds; ++round) {
    const Maddr entry{frame + (8 + round % kRefs) * sizeof(grant_entry_v1_t)};
    const auto flags = static_cast<uint32_t>(stress.platform.load(xen::Site::kGrantEntry, entry, 4));
    if ((flags & (GTF_reading | GTF_writing)) == 0) {
      stress.platform.rmw(xen::Site::kGrantEntry, entry, 4, xen::Rmw::kCompareExchange, 0, flags);
    }
    stress.platform.rmw(xen::Site::kGrantEntry, entry, 4, xen::Rmw::kCompareExchange,
                        GTF_permit_access | uint32_t{to} << 16, 0);
  }
}

bool any_entry_in_use(Stress& stress, uint64_t frame) {
  for (uint32_t i = 0; i < kRefs; ++i) {
    const Maddr entry{frame + (8 + i) * sizeof(grant_entry_v1_t)};
    if ((stress.platform.load(xen::Site::kGrantEntry, entry, 2) & (GTF_reading | GTF_writing)) != 0) return true;
  }
  return false;
}

TEST_CASE("maps, unmaps and copies of shared grants balance") {
  Stress stress(2, 3);
  const uint64_t frame = grant_pages(stress, 2);
  std::vector<std::function<void()>> bodies;
  for (uint32_t number = 0; number < 3; ++number) {
    bodies.emplace_back([&stress, number] {
      Mapper mapper(stress, Stress::vcpu(2, number));
      for (unsigned round = 0; round < 2 * kStressRounds; ++round) mapper.step();
      mapper.unmap_all();
    });
  }
  bodies.emplace_back([&] { flip_grants(stress, frame, 8 * kStressRounds, 2); });
  stress.run(bodies);
  CHECK(stress.wrong().empty());
  CHECK_FALSE(any_entry_in_use(stress, frame));
}

TEST_CASE("a domain that ends while it maps leaves no pin behind") {
  for (unsigned repeat = 0; repeat < kStressRounds / 40; ++repeat) {
    Stress stress(2, 3);
    const uint64_t frame = grant_pages(stress, 2);
    std::vector<std::function<void()>> bodies;
    for (uint32_t number = 0; number < 2; ++number) {
      bodies.emplace_back([&stress, number] {
        const VcpuRef self = Stress::vcpu(2, number);
        Mapper mapper(stress, self);
        while (stress.core.api->is_runnable(self)) mapper.step();
      });
    }
    bodies.emplace_back([&stress, repeat] {
      for (unsigned i = 0; i < 20 * repeat; ++i) __builtin_ia32_pause();
      sched_shutdown args{SHUTDOWN_poweroff};
      stress.call_with(Stress::vcpu(2, 2), __HYPERVISOR_sched_op, SCHEDOP_shutdown, args);
    });
    stress.run(bodies);
    CHECK(stress.wrong().empty());
    CHECK_FALSE(any_entry_in_use(stress, frame));
  }
}

// vCPU `number` of domain 1 takes the granted pages away, gives them back and moves them.
void move_pages(Stress& stress, uint32_t number) {
  const VcpuRef self = Stress::vcpu(1, number);
  Prng prng(number);
  for (unsigned round = 0; round < kStressRounds; ++round) {
    xen_memory_reservation op{};
    const uint64_t list = Stress::argument_at(self) + 256;
    const uint64_t gfn = 40 + prng.below(kRefs);
    std::memcpy(stress.argument(self) + 256, &gfn, sizeof(gfn));
    set_xen_guest_handle_raw(op.extent_start, reinterpret_cast<xen_pfn_t*>(list));
    op.nr_extents = 1;
    op.domid = DOMID_SELF;
    stress.call_with(self, __HYPERVISOR_memory_op,
                     prng.below(2) == 0 ? XENMEM_decrease_reservation : XENMEM_populate_physmap, op);
    xen_add_to_physmap move{};
    move.domid = DOMID_SELF;
    move.space = XENMAPSPACE_gmfn;
    move.idx = 40 + prng.below(kRefs);
    move.gpfn = 40 + prng.below(kRefs);
    stress.call_with(self, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, move);
  }
}

TEST_CASE("memory that comes and goes while it is copied") {
  Stress stress(2, 2);
  grant_pages(stress, 2);
  const auto copy = [&](uint32_t number) {
    Mapper mapper(stress, Stress::vcpu(2, number));
    for (unsigned round = 0; round < 2 * kStressRounds; ++round) mapper.step();
    mapper.unmap_all();
    XS_CHECK(mapper.copied() == 0);  // they are not its own
  };
  stress.run({[&] { move_pages(stress, 0); }, [&] { move_pages(stress, 1); }, [&] { copy(0); }, [&] { copy(1); }});
  CHECK(stress.wrong().empty());
}

// A page that a domain mapped from itself is still its own: a copy asks so of frames that come into being meanwhile.
TEST_CASE("memory that comes and goes while the domain maps its own grants") {
  Stress stress(2, 4);
  grant_pages(stress, 1);
  std::atomic<unsigned> copied{0};
  const auto copy = [&](uint32_t number) {
    Mapper mapper(stress, Stress::vcpu(1, number));
    for (unsigned round = 0; round < 2 * kStressRounds; ++round) mapper.step();
    mapper.unmap_all();
    copied += mapper.copied();
  };
  stress.run({[&] { move_pages(stress, 0); }, [&] { move_pages(stress, 1); }, [&] { copy(2); }, [&] { copy(3); }});
  CHECK(stress.wrong().empty());
  CHECK(copied != 0);
}

// The first use of each entry, of each page's counter: two vCPUs are there at the same time.
TEST_CASE("grants that are mapped for the first time, by two vCPUs at once") {
  constexpr uint32_t kTables = 50;
  for (uint32_t table = 0; table < kTables; ++table) {
    Stress stress(2, 2);
    const uint64_t frame = grant_pages(stress, 2);
    const auto map_all = [&](uint32_t number) {
      const VcpuRef self = Stress::vcpu(2, number);
      for (uint32_t i = 0; i < kRefs; ++i) {
        gnttab_map_grant_ref op{};
        op.host_addr = (kWindow + number * 0x1000 + i) << kPageShift;
        op.flags = GNTMAP_host_map;
        op.ref = 8 + i;
        op.dom = 1;
        XS_CHECK(stress.call_with(self, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, op) == 0);
        XS_CHECK(op.status == GNTST_okay);
      }
    };
    stress.run({[&] { map_all(0); }, [&] { map_all(1); }});
    CHECK(stress.wrong().empty());
    CHECK(any_entry_in_use(stress, frame));
  }
}

}  // namespace
}  // namespace xensim
