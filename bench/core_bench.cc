// The core alone on a plain Platform: hypercalls through CoreApi::hypercall, arguments copied in, no scheduler, no
// recorder.
#include <benchmark/benchmark.h>

#include <vector>

#include "models/xen/abi/public.h"
#include "models/xen/api/core.h"
#include "models/xen/testing/plain_platform.h"

namespace xensim {
namespace {

constexpr uint64_t kRamBytes = 1 << 20;
constexpr uint64_t kArgument = 0x1000;
constexpr DomId kDom{1};
constexpr VcpuRef kVcpu0{kDom, VcpuId{0}};

xen::DomainConfig config(uint32_t vcpus) {
  xen::DomainConfig config;
  config.id = kDom;
  config.vcpus = vcpus;
  config.ram = {{Gpa{0}, kRamBytes, Maddr{0}}};
  return config;
}

struct Bench {
  Bench() : platform(kRamBytes), core(xen::make_core(platform, xen::Flavour{})) {
    XS_CHECK(core.api->create_domain(config(2)).has_value());
  }

  template <class T>
  T& argument() {
    return *reinterpret_cast<T*>(platform.host(Maddr{kArgument}));
  }
  uint64_t event_channel_op(uint32_t op) {
    return core.api->hypercall(kVcpu0, {.nr = __HYPERVISOR_event_channel_op, .args = {op, kArgument}});
  }
  uint32_t bind_ipi() {
    argument<evtchn_bind_ipi>() = {.vcpu = 1, .port = 0};
    XS_CHECK(event_channel_op(EVTCHNOP_bind_ipi) == 0);
    return argument<evtchn_bind_ipi>().port;
  }

  PlainPlatform platform;
  xen::CoreInstance core;
};

// evtchn_send to another vCPU's port that is pending already: one bit is set again.
void send_already_pending(benchmark::State& state) {
  Bench bench;
  bench.argument<evtchn_send>().port = bench.bind_ipi();
  for (auto _ : state) benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_send));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(send_already_pending);

// The same, not yet pending: pending bit, mask, selector, upcall, kick, look for pollers. The consumer's three stores
// are included.
void send_not_pending(benchmark::State& state) {
  Bench bench;
  const uint32_t port = bench.bind_ipi();
  bench.argument<evtchn_send>().port = port;
  auto* shared = reinterpret_cast<shared_info*>(bench.platform.host(Maddr{kRamBytes}));
  for (auto _ : state) {
    benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_send));
    shared->vcpu_info[1].evtchn_upcall_pending = 0;
    shared->vcpu_info[1].evtchn_pending_sel = 0;
    shared->evtchn_pending[port / 64] = 0;
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(send_not_pending);

// A domain with FIFO channels: control blocks of both vCPUs, one page of event words.
struct FifoBench : Bench {
  static constexpr uint64_t kControl = 0x2000, kWords = 0x3000;

  FifoBench() {
    for (uint32_t vcpu = 0; vcpu < 2; ++vcpu) {
      argument<evtchn_init_control>() = {
          .control_gfn = kControl >> kPageShift, .offset = vcpu * 128, .vcpu = vcpu, .link_bits = 0, ._pad = {}};
      XS_CHECK(event_channel_op(EVTCHNOP_init_control) == 0);
    }
    argument<evtchn_expand_array>() = {.array_gfn = kWords >> kPageShift};
    XS_CHECK(event_channel_op(EVTCHNOP_expand_array) == 0);
  }
  event_word_t& word(uint32_t port) { return reinterpret_cast<event_word_t*>(platform.host(Maddr{kWords}))[port]; }
  // What vCPU 1 does with the one event of its queue.
  void consume(uint32_t port) {
    reinterpret_cast<shared_info*>(platform.host(Maddr{kRamBytes}))->vcpu_info[1].evtchn_upcall_pending = 0;
    reinterpret_cast<evtchn_fifo_control_block*>(platform.host(Maddr{kControl + 128}))->ready = 0;
    word(port) = 0;
    benchmark::ClobberMemory();
  }
};

// FIFO, pending and linked already: three bits are looked at under the queue's lock.
void fifo_send_already_pending(benchmark::State& state) {
  FifoBench bench;
  bench.argument<evtchn_send>().port = bench.bind_ipi();
  for (auto _ : state) benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_send));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(fifo_send_already_pending);

// FIFO, to an empty queue: pending, linked, head, ready, upcall, kick, look for pollers; and the consumer's stores.
void fifo_send_not_pending(benchmark::State& state) {
  FifoBench bench;
  const uint32_t port = bench.bind_ipi();
  bench.argument<evtchn_send>().port = port;
  for (auto _ : state) {
    benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_send));
    bench.consume(port);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(fifo_send_not_pending);

// FIFO, `range` events one after the other, each linked to the one before; then the queue is emptied.
void fifo_send_linked(benchmark::State& state) {
  FifoBench bench;
  std::vector<uint32_t> ports;
  for (int64_t i = 0; i < state.range(0); ++i) ports.push_back(bench.bind_ipi());
  for (auto _ : state) {
    for (const uint32_t port : ports) {
      bench.argument<evtchn_send>().port = port;
      benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_send));
    }
    for (const uint32_t port : ports) bench.consume(port);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(fifo_send_linked)->Arg(64);

// Unmask of a pending event, 2-level and FIFO: it is announced anew, and taken back.
void unmask_pending(benchmark::State& state) {
  Bench bench;
  const uint32_t port = bench.bind_ipi();
  auto* shared = reinterpret_cast<shared_info*>(bench.platform.host(Maddr{kRamBytes}));
  bench.argument<evtchn_unmask>().port = port;
  shared->evtchn_pending[port / 64] = uint64_t{1} << port % 64;
  for (auto _ : state) {
    shared->vcpu_info[1].evtchn_upcall_pending = 0;
    shared->vcpu_info[1].evtchn_pending_sel = 0;
    shared->evtchn_mask[port / 64] = uint64_t{1} << port % 64;
    benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_unmask));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(unmask_pending);

void fifo_unmask_pending(benchmark::State& state) {
  FifoBench bench;
  const uint32_t port = bench.bind_ipi();
  bench.argument<evtchn_unmask>().port = port;
  for (auto _ : state) {
    bench.word(port) = 1u << EVTCHN_FIFO_PENDING | 1u << EVTCHN_FIFO_MASKED;
    benchmark::DoNotOptimize(bench.event_channel_op(EVTCHNOP_unmask));
    bench.consume(port);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(fifo_unmask_pending);

// A hypercall that there is not: the price of the way in and out.
void hypercall_unknown(benchmark::State& state) {
  Bench bench;
  for (auto _ : state) benchmark::DoNotOptimize(bench.core.api->hypercall(kVcpu0, {.nr = 63}));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hypercall_unknown);

// What exploration pays for each schedule: a fresh core with a domain of `range` vCPUs.
void fresh_core(benchmark::State& state) {
  PlainPlatform platform(kRamBytes);
  const xen::DomainConfig domain = config(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    platform.free_pages(kRamBytes);
    xen::CoreInstance core = xen::make_core(platform, xen::Flavour{});
    benchmark::DoNotOptimize(core.api->create_domain(domain).has_value());
  }
}
BENCHMARK(fresh_core)->Arg(2)->Arg(8);

// A platform that remembers where the last page was mapped: so the grant table is found.
struct MappingPlatform : PlainPlatform {
  using PlainPlatform::PlainPlatform;
  void set_mapping(DomId, Gfn, Maybe<Mfn> frame, bool) override {
    if (frame) last_frame = *frame;
  }
  Mfn last_frame;
};

// Domain 1 grants its page 16 to domain 2, which uses it from vCPU 0.
struct GrantBench {
  static constexpr DomId kGranter{1}, kUser{2};
  static constexpr uint32_t kRef = 8;
  static constexpr uint64_t kPage = 16 * kPageSize;

  GrantBench() : platform(2 * kRamBytes), core(xen::make_core(platform, xen::Flavour{})) {
    for (const DomId id : {kGranter, kUser}) {
      xen::DomainConfig domain = config(1);
      domain.id = id;
      domain.ram = {{Gpa{0}, kRamBytes, Maddr{id == kUser ? kRamBytes : 0}}};
      XS_CHECK(core.api->create_domain(domain).has_value());
    }
    auto& place = *reinterpret_cast<xen_add_to_physmap*>(platform.host(Maddr{kArgument}));
    place = {.domid = DOMID_SELF, .size = 0, .space = XENMAPSPACE_grant_table, .idx = 0, .gpfn = 0x70000};
    XS_CHECK(core.api->hypercall({kGranter, VcpuId{0}},
                                 {.nr = __HYPERVISOR_memory_op, .args = {XENMEM_add_to_physmap, kArgument}}) == 0);
    const Maddr table{platform.last_frame.v << kPageShift};
    reinterpret_cast<grant_entry_v1_t*>(platform.host(table))[kRef] = {
        .flags = GTF_permit_access, .domid = kUser.v, .frame = kPage >> kPageShift};
  }

  template <class T>
  T& argument() {
    return *reinterpret_cast<T*>(platform.host(Maddr{kRamBytes + kArgument}));
  }
  void grant_op(uint32_t op, uint32_t count = 1) {
    XS_CHECK(core.api->hypercall({kUser, VcpuId{0}},
                                 {.nr = __HYPERVISOR_grant_table_op, .args = {op, kArgument, count}}) == 0);
  }

  MappingPlatform platform;
  xen::CoreInstance core;
};

// A page of another domain mapped and unmapped: two hypercalls.
void grant_map_unmap(benchmark::State& state) {
  GrantBench bench;
  constexpr uint64_t kPlace = uint64_t{0x50000} << kPageShift;
  for (auto _ : state) {
    bench.argument<gnttab_map_grant_ref>() = {.host_addr = kPlace,
                                              .flags = GNTMAP_host_map,
                                              .ref = GrantBench::kRef,
                                              .dom = GrantBench::kGranter.v,
                                              .status = 1,
                                              .handle = 0,
                                              .dev_bus_addr = 0};
    bench.grant_op(GNTTABOP_map_grant_ref);
    XS_CHECK(bench.argument<gnttab_map_grant_ref>().status == GNTST_okay);
    const uint32_t handle = bench.argument<gnttab_map_grant_ref>().handle;
    bench.argument<gnttab_unmap_grant_ref>() = {.host_addr = kPlace, .dev_bus_addr = 0, .handle = handle, .status = 1};
    bench.grant_op(GNTTABOP_unmap_grant_ref);
    XS_CHECK(bench.argument<gnttab_unmap_grant_ref>().status == GNTST_okay);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(grant_map_unmap);

// 4 KiB from a grant into the user's own page, `range` structs to a hypercall.
void grant_copy_4k(benchmark::State& state) {
  GrantBench bench;
  const auto count = static_cast<uint32_t>(state.range(0));
  for (uint32_t i = 0; i < count; ++i) {
    gnttab_copy_t& op = (&bench.argument<gnttab_copy_t>())[i];
    op = {};
    op.source.u.ref = GrantBench::kRef;
    op.source.domid = GrantBench::kGranter.v;
    op.dest.u.gmfn = 32;
    op.dest.domid = DOMID_SELF;
    op.len = kPageSize;
    op.flags = GNTCOPY_source_gref;
    op.status = 1;
  }
  for (auto _ : state) bench.grant_op(GNTTABOP_copy, count);
  XS_CHECK(bench.argument<gnttab_copy_t>().status == GNTST_okay);
  state.SetBytesProcessed(state.iterations() * count * static_cast<int64_t>(kPageSize));
  state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(grant_copy_4k)->Arg(1)->Arg(16);

// What grant_copy_4k is held against: the same two pages without a core.
void memcpy_4k(benchmark::State& state) {
  GrantBench bench;
  for (auto _ : state) {
    std::memcpy(bench.platform.host(Maddr{kRamBytes + 32 * kPageSize}), bench.platform.host(Maddr{GrantBench::kPage}),
                kPageSize);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kPageSize));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(memcpy_4k);

}  // namespace
}  // namespace xensim

BENCHMARK_MAIN();
