// A guest of the unit tests: a core on a FakePlatform, one or more domains, and calls as a guest makes them.
#pragma once

#include <cstring>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/api/core.h"
#include "tests/unit/models/xen/fake_platform.h"

namespace xensim {

inline xen::Flavour kvm_flavour() { return *xen::flavour_by_name("kvm"); }

class Guest {
 public:
  static constexpr DomId kDom{5};
  static constexpr uint64_t kArgument = 0x1000;
  static constexpr uint64_t kSharedInfo = FakePlatform::kRam;  // machine address: the first page the core asks for
  static constexpr uint64_t kBadAddress = 0x7000'0000;

  explicit Guest(uint32_t vcpus = 2, const xen::Flavour& flavour = {}, uint32_t max_port = 1023)
      : core(xen::make_core(platform, flavour)) {
    add_domain(kDom, vcpus, max_port);
    via_vector(0xf3);
  }

  void add_domain(DomId id, uint32_t vcpus = 1, uint32_t max_port = 1023) {
    xen::DomainConfig config;
    config.id = id;
    config.vcpus = vcpus;
    config.max_event_channels = max_port;
    config.ram = {{Gpa{0}, FakePlatform::kRam, Maddr{0}}};
    XS_CHECK(core.api->create_domain(config).has_value());
  }

  static VcpuRef vcpu(uint32_t number, DomId dom = kDom) { return {dom, VcpuId{number}}; }

  // A hypercall of `who`; in 32-bit mode the result is sign-extended from its 32 bits.
  int64_t call(VcpuRef who, uint64_t nr, std::array<uint64_t, 6> args = {}) {
    ++calls_inside_;
    const uint64_t result = core.api->hypercall(
        who, {.mode64 = mode64, .cpl = cpl, .interrupts_enabled = interrupts_enabled, .nr = nr, .args = args});
    if (--calls_inside_ == 0 && checks_each_call) check_invariants();
    if (mode64) return static_cast<int64_t>(result);
    XS_CHECK(result >> 32 == 0);
    return static_cast<int32_t>(result);
  }

  // A call whose argument struct is put into guest memory first; `argument` is what stands there afterwards.
  template <class T>
  int64_t event_op(uint32_t op, T& argument, VcpuRef who = vcpu(0)) {
    platform.poke(kArgument, argument);
    const int64_t result = call(who, __HYPERVISOR_event_channel_op, {op, kArgument});
    argument = platform.peek_as<T>(kArgument);
    return result;
  }
  template <class T>
  int64_t sched_op(uint32_t op, const T& argument, VcpuRef who = vcpu(0)) {
    platform.poke(kArgument, argument);
    return call(who, __HYPERVISOR_sched_op, {op, kArgument});
  }
  template <class T>
  int64_t vcpu_op(uint32_t op, uint32_t number, const T& argument, VcpuRef who = vcpu(0)) {
    platform.poke(kArgument, argument);
    return call(who, __HYPERVISOR_vcpu_op, {op, number, kArgument});
  }
  int64_t vcpu_op(uint32_t op, uint32_t number, VcpuRef who = vcpu(0)) {
    return call(who, __HYPERVISOR_vcpu_op, {op, number, 0});
  }

  void via_vector(uint8_t vector, VcpuRef who = vcpu(0)) {
    set_param(HVM_PARAM_CALLBACK_IRQ, uint64_t{HVM_PARAM_CALLBACK_TYPE_VECTOR} << 56 | vector, who);
  }
  void set_param(uint32_t index, uint64_t value, VcpuRef who = vcpu(0)) {
    xen_hvm_param param{};
    param.domid = DOMID_SELF;
    param.index = index;
    param.value = value;
    platform.poke(kArgument, param);
    XS_CHECK(call(who, __HYPERVISOR_hvm_op, {HVMOP_set_param, kArgument}) == 0);
  }

  uint32_t bind_ipi(uint32_t number, VcpuRef who = vcpu(0)) {
    evtchn_bind_ipi args{};
    args.vcpu = number;
    XS_CHECK(event_op(EVTCHNOP_bind_ipi, args, who) == 0);
    return args.port;
  }
  uint32_t bind_virq(uint32_t virq, uint32_t number) {
    evtchn_bind_virq args{};
    args.virq = virq;
    args.vcpu = number;
    XS_CHECK(event_op(EVTCHNOP_bind_virq, args) == 0);
    return args.port;
  }
  uint32_t alloc_unbound(DomId remote, VcpuRef who = vcpu(0)) {
    evtchn_alloc_unbound args{};
    args.dom = DOMID_SELF;
    args.remote_dom = remote.v;
    XS_CHECK(event_op(EVTCHNOP_alloc_unbound, args, who) == 0);
    return args.port;
  }
  int64_t send(uint32_t port, VcpuRef who = vcpu(0)) {
    evtchn_send args{port};
    return event_op(EVTCHNOP_send, args, who);
  }
  int64_t close(uint32_t port, VcpuRef who = vcpu(0)) {
    evtchn_close args{port};
    return event_op(EVTCHNOP_close, args, who);
  }
  int64_t unmask(uint32_t port) {
    evtchn_unmask args{port};
    return event_op(EVTCHNOP_unmask, args);
  }
  evtchn_status status(uint32_t port, VcpuRef who = vcpu(0)) {
    evtchn_status args{};
    args.dom = DOMID_SELF;
    args.port = port;
    XS_CHECK(event_op(EVTCHNOP_status, args, who) == 0);
    return args;
  }

  // shared_info of the first domain, in its 64-bit layout.
  shared_info shared() { return platform.peek_as<shared_info>(kSharedInfo); }
  xen::abi32::shared_info shared32() { return platform.peek_as<xen::abi32::shared_info>(kSharedInfo); }
  bool pending(uint32_t port) { return ((shared().evtchn_pending[port / 64] >> (port % 64)) & 1) != 0; }
  bool masked(uint32_t port) { return ((shared().evtchn_mask[port / 64] >> (port % 64)) & 1) != 0; }
  void mask(uint32_t port) {
    const uint64_t at = kSharedInfo + offsetof(shared_info, evtchn_mask) + port / 64 * 8;
    platform.poke(at, platform.peek_as<uint64_t>(at) | uint64_t{1} << (port % 64));
  }
  // What a guest's handler does: takes the upcall, the selector and all pending bits.
  void consume(uint32_t number) {
    const uint64_t info = kSharedInfo + number * sizeof(vcpu_info);
    platform.poke<uint8_t>(info + offsetof(vcpu_info, evtchn_upcall_pending), 0);
    platform.poke<uint32_t>(info + offsetof(xen::abi32::vcpu_info, evtchn_pending_sel), 0);
    platform.poke<uint64_t>(info + offsetof(vcpu_info, evtchn_pending_sel), 0);
    for (unsigned word = 0; word < 64; ++word) {
      platform.poke<uint64_t>(kSharedInfo + offsetof(shared_info, evtchn_pending) + word * 8, 0);
    }
  }
  bool runnable(uint32_t number) { return core.api->is_runnable(vcpu(number)); }
  // After each call of a test, unless another one is on its way or the test makes so many that it checks by itself.
  void check_invariants() {
    const std::vector<std::string> broken = core.inspector->broken_invariants();
    XS_CHECK_MSG(broken.empty(), broken.front());
  }

  FakePlatform platform;
  xen::CoreInstance core;
  bool checks_each_call = true;
  bool mode64 = true;
  bool interrupts_enabled = true;
  uint8_t cpl = 0;

 private:
  unsigned calls_inside_ = 0;
};

}  // namespace xensim
