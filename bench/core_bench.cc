// The core alone on a plain Platform: hypercalls through CoreApi::hypercall, arguments copied in, no scheduler, no
// recorder.
#include <benchmark/benchmark.h>

#include "bench/plain_platform.h"
#include "models/xen/abi/public.h"
#include "models/xen/core.h"

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

}  // namespace
}  // namespace xensim

BENCHMARK_MAIN();
