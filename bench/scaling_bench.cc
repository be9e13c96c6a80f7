// How the core scales: the same calls from one and from two threads, on objects of their own and on shared ones, on a
// Platform of real locks and atomics. `separate`: each thread is a domain with channels, grants and timers of its own;
// `shared`: the threads are vCPUs of one domain and use the same port, grant or table.
//
// Rates are of real time, over all threads. They mean something on a machine that does nothing else.
#include <benchmark/benchmark.h>

#include <memory>

#include "models/xen/abi/public.h"
#include "models/xen/api/core.h"
#include "models/xen/testing/threaded_platform.h"

namespace xensim {
namespace {

constexpr uint64_t kRam = 64 * kPageSize;
constexpr uint64_t kArguments = 8 * kPageSize;
constexpr uint16_t kDomains = 4;   // 1 and 2 call, 3 and 4 grant
constexpr uint64_t kGranted = 40;  // gfn

// What a machine would do for a timer, a kick or a sleeper, at next to no cost and without a lock.
class BenchPlatform final : public ThreadedPlatform {
 public:
  BenchPlatform() : ThreadedPlatform(kRam * kDomains, kRam) {}
  VirtualNs now() override { return VirtualNs{1'000'000}; }
  void arm_timer(xen::TimerId id, VirtualNs deadline) override { slot(id.vcpu).deadline.store(deadline.v); }
  void cancel_timer(xen::TimerId id) override { slot(id.vcpu).deadline.store(0); }
  void kick(VcpuRef vcpu) override { slot(vcpu).kicked.store(true, std::memory_order_release); }
  void set_runnable(VcpuRef vcpu, bool runnable) override { slot(vcpu).runnable.store(runnable); }

 private:
  struct alignas(128) Slot {
    std::atomic<uint64_t> deadline{0};
    std::atomic<bool> kicked{false};
    std::atomic<bool> runnable{false};
  };
  Slot& slot(VcpuRef vcpu) { return slots_[vcpu.dom.v * 4 + vcpu.vcpu.v]; }
  std::array<Slot, (kDomains + 1) * 4> slots_;
};

struct Bench {
  Bench() : core(xen::make_core(platform, {})) {
    for (uint16_t number = 1; number <= kDomains; ++number) {
      xen::DomainConfig config;
      config.id = DomId{number};
      config.vcpus = 2;
      config.ram = {{Gpa{0}, kRam, Maddr{ram_base(config.id)}}};
      XS_CHECK(core.api->create_domain(config).has_value());
      core.api->wake({config.id, VcpuId{1}}, true);
    }
  }

  static uint64_t ram_base(DomId dom) { return (dom.v - 1) * kRam; }
  static uint64_t argument_at(VcpuRef who) { return kArguments + who.vcpu.v * kPageSize; }
  template <class T>
  T& argument(VcpuRef who) {
    return *reinterpret_cast<T*>(platform.host(Maddr{ram_base(who.dom) + argument_at(who)}));
  }
  int64_t call(VcpuRef who, uint64_t nr, std::array<uint64_t, 6> args = {}) {
    return static_cast<int64_t>(core.api->hypercall(who, {.nr = nr, .args = args}));
  }
  int64_t event_op(VcpuRef who, uint64_t op) {
    return call(who, __HYPERVISOR_event_channel_op, {op, argument_at(who)});
  }
  int64_t grant_op(VcpuRef who, uint64_t op) {
    return call(who, __HYPERVISOR_grant_table_op, {op, argument_at(who), 1});
  }

  uint32_t bind_ipi(VcpuRef who) {
    argument<evtchn_bind_ipi>(who) = {who.vcpu.v, 0};
    XS_CHECK(event_op(who, EVTCHNOP_bind_ipi) == 0);
    return argument<evtchn_bind_ipi>(who).port;
  }
  // FIFO channels for the domain, with a word for 1024 ports.
  void use_fifo(DomId dom) {
    for (uint32_t vcpu = 0; vcpu < 2; ++vcpu) {
      argument<evtchn_init_control>({dom, VcpuId{0}}) = {20 + vcpu, 0, vcpu, 0, {}};
      XS_CHECK(event_op({dom, VcpuId{0}}, EVTCHNOP_init_control) == 0);
    }
    argument<evtchn_expand_array>({dom, VcpuId{0}}) = {22};
    XS_CHECK(event_op({dom, VcpuId{0}}, EVTCHNOP_expand_array) == 0);
  }
  // Domain `granter` lets `grantee` use its page `kGranted` through entry 8.
  void grant(DomId granter, DomId grantee) {
    const VcpuRef who{granter, VcpuId{0}};
    xen_add_to_physmap& place = argument<xen_add_to_physmap>(who);
    place = {};
    place.domid = DOMID_SELF;
    place.space = XENMAPSPACE_grant_table;
    place.gpfn = 0x7000;
    XS_CHECK(call(who, __HYPERVISOR_memory_op, {XENMEM_add_to_physmap, argument_at(who)}) == 0);
    // Each domain's pages of the core: shared_info, then the first frame of its table.
    const uint64_t frame = kRam * kDomains + ((granter.v - 1) * 2 + 1) * kPageSize;
    const grant_entry_v1_t entry{GTF_permit_access, grantee.v, kGranted};
    std::memcpy(platform.host(Maddr{frame + 8 * sizeof(entry)}), &entry, sizeof(entry));
  }

  BenchPlatform platform;
  xen::CoreInstance core;
};

std::unique_ptr<Bench> machine;
bool is_shared(const benchmark::State& state) { return state.range(0) != 0; }
// Who the thread is: a domain of its own, or a vCPU of domain 1.
VcpuRef caller(const benchmark::State& state) {
  const auto thread = static_cast<uint16_t>(state.thread_index());
  return is_shared(state) ? VcpuRef{DomId{1}, VcpuId{thread}}
                          : VcpuRef{DomId{static_cast<uint16_t>(1 + thread)}, VcpuId{0}};
}
DomId granter(const benchmark::State& state) {
  return DomId{static_cast<uint16_t>(is_shared(state) ? 3 : 3 + state.thread_index())};
}

// Ports 3 of domains 1 and 2 are the ones that are used; everything is made before the threads start.
void set_up(const benchmark::State&) {
  machine = std::make_unique<Bench>();
  for (const DomId dom : {DomId{1}, DomId{2}}) XS_CHECK(machine->bind_ipi({dom, VcpuId{0}}) == 3);
}
void set_up_fifo(const benchmark::State& state) {
  set_up(state);
  for (const DomId dom : {DomId{1}, DomId{2}}) machine->use_fifo(dom);
}
void set_up_grants(const benchmark::State&) {
  machine = std::make_unique<Bench>();
  machine->grant(DomId{3}, DomId{1});
  machine->grant(DomId{4}, DomId{2});
}
void tear_down(const benchmark::State&) { machine.reset(); }

// A send to a port that is pending already.
void send(benchmark::State& state) {
  const VcpuRef who = caller(state);
  machine->argument<evtchn_send>(who) = {3};
  for (auto _ : state) benchmark::DoNotOptimize(machine->event_op(who, EVTCHNOP_send));
  state.SetItemsProcessed(state.iterations());
}

void unmask(benchmark::State& state) {
  const VcpuRef who = caller(state);
  machine->argument<evtchn_unmask>(who) = {3};
  for (auto _ : state) benchmark::DoNotOptimize(machine->event_op(who, EVTCHNOP_unmask));
  state.SetItemsProcessed(state.iterations());
}

// A poll that sleeps, and the event from outside that ends it.
void poll_and_wake(benchmark::State& state) {
  const VcpuRef who = caller(state);
  const uint64_t list = Bench::argument_at(who) + 64;
  sched_poll& poll = machine->argument<sched_poll>(who);
  poll = {};
  set_xen_guest_handle_raw(poll.ports, reinterpret_cast<evtchn_port_t*>(list));
  poll.nr_ports = 1;
  constexpr uint32_t kPort = 3;
  std::memcpy(reinterpret_cast<std::byte*>(&poll) + 64, &kPort, sizeof(kPort));
  const Maddr pending{kRam * kDomains + (who.dom.v - 1) * 2 * kPageSize + offsetof(shared_info, evtchn_pending)};
  for (auto _ : state) {
    machine->call(who, __HYPERVISOR_sched_op, {SCHEDOP_poll, Bench::argument_at(who)});
    machine->core.api->external_event(who.dom, Port{kPort});
    machine->platform.rmw(xen::Site::kEvtchnPending, pending, 8, xen::Rmw::kAnd, ~uint64_t{1u << kPort}, 0);
  }
  state.SetItemsProcessed(state.iterations());
}

void map_and_unmap(benchmark::State& state) {
  const VcpuRef who = caller(state);
  const uint64_t at = uint64_t{0x9000 + who.vcpu.v} << kPageShift;
  for (auto _ : state) {
    auto& map = machine->argument<gnttab_map_grant_ref>(who);
    map = {};
    map.host_addr = at;
    map.flags = GNTMAP_host_map;
    map.ref = 8;
    map.dom = granter(state).v;
    machine->grant_op(who, GNTTABOP_map_grant_ref);
    XS_CHECK(map.status == GNTST_okay);
    const grant_handle_t handle = map.handle;
    auto& unmap = machine->argument<gnttab_unmap_grant_ref>(who);
    unmap = {};
    unmap.host_addr = at;
    unmap.handle = handle;
    machine->grant_op(who, GNTTABOP_unmap_grant_ref);
    XS_CHECK(unmap.status == GNTST_okay);
  }
  state.SetItemsProcessed(state.iterations());
}

void copy_4k(benchmark::State& state) {
  const VcpuRef who = caller(state);
  for (auto _ : state) {
    auto& copy = machine->argument<gnttab_copy>(who);
    copy = {};
    copy.source.u.ref = 8;
    copy.source.domid = granter(state).v;
    copy.dest.u.gmfn = 48 + who.vcpu.v;
    copy.dest.domid = DOMID_SELF;
    copy.len = kPageSize;
    copy.flags = GNTCOPY_source_gref;
    machine->grant_op(who, GNTTABOP_copy);
    XS_CHECK(copy.status == GNTST_okay);
  }
  state.SetItemsProcessed(state.iterations());
}

// What copy_4k is to be compared with.
void memcpy_4k(benchmark::State& state) {
  const VcpuRef who = caller(state);
  std::byte* const from = machine->platform.host(Maddr{Bench::ram_base(granter(state)) + kGranted * kPageSize});
  std::byte* const to = machine->platform.host(Maddr{Bench::ram_base(who.dom) + (48 + who.vcpu.v) * kPageSize});
  for (auto _ : state) {
    std::memcpy(to, from, kPageSize);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

void set_timer(benchmark::State& state) {
  const VcpuRef who = caller(state);
  uint64_t deadline = 2'000'000;
  for (auto _ : state) benchmark::DoNotOptimize(machine->call(who, __HYPERVISOR_set_timer_op, {++deadline}));
  state.SetItemsProcessed(state.iterations());
}

void with_threads(benchmark::internal::Benchmark* each) {
  each->ArgName("shared")->Teardown(tear_down)->UseRealTime();
  for (const int shared : {0, 1}) each->Arg(shared);
  each->Threads(1)->Threads(2);
}

BENCHMARK(send)->Name("send_2l")->Setup(set_up)->Apply(with_threads);
BENCHMARK(send)->Name("send_fifo")->Setup(set_up_fifo)->Apply(with_threads);
BENCHMARK(unmask)->Setup(set_up)->Apply(with_threads);
BENCHMARK(poll_and_wake)->Setup(set_up)->Apply(with_threads);
BENCHMARK(map_and_unmap)->Setup(set_up_grants)->Apply(with_threads);
BENCHMARK(copy_4k)->Setup(set_up_grants)->Apply(with_threads);
BENCHMARK(memcpy_4k)->Setup(set_up_grants)->Apply(with_threads);
BENCHMARK(set_timer)->Setup(set_up)->Apply(with_threads);

}  // namespace
}  // namespace xensim

BENCHMARK_MAIN();
