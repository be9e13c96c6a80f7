// A machine worth saving: two domains with channels of every kind and both ABIs, a PIRQ, a mapping, timers, a vCPU that
// polls.
#pragma once

#include "tests/unit/models/xen/two_guests.h"

namespace xensim {

class SavedMachine : public TwoGuests {
 public:
  SavedMachine() : TwoGuests({}, 1024, Host::kNone, true) {
    core.api->wake({kA, VcpuId{1}}, true);
    callback_via(uint64_t{HVM_PARAM_CALLBACK_TYPE_VECTOR} << 56 | 0xf3);  // no PIRQ is mapped while a GSI is in use
    map_pirq();
    callback_via(uint64_t{HVM_PARAM_CALLBACK_TYPE_GSI} << 56 | 9);
    evtchn_alloc_unbound unbound{DOMID_SELF, kB.v, 0};
    XS_CHECK(call_with(kA, __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, unbound) == 0);
    evtchn_bind_interdomain bind{kA.v, unbound.port, 0};
    XS_CHECK(call_with(kB, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, bind) == 0);
    evtchn_bind_virq virq{VIRQ_TIMER, 1, 0};
    XS_CHECK(call_with(kA, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, virq) == 0);
    evtchn_bind_ipi ipi{0, 0};
    XS_CHECK(call_with(kA, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, ipi) == 0);
    evtchn_send send{ipi.port};
    XS_CHECK(call_with(kA, __HYPERVISOR_event_channel_op, EVTCHNOP_send, send) == 0);
    use_fifo_and_version_2(kB);
    grant(kA, 9, kB, 0x21);
    mapped = map(kB, kA, 9, 0x9000);
    XS_CHECK(mapped.status == GNTST_okay);
    XS_CHECK(call(kA, __HYPERVISOR_set_timer_op, {5'000'000, 0, 0, 0, 0, 0}) == 0);
    sched_poll poll{};
    poll.timeout = 9'000'000;
    poke(kB, kArgument, poll);
    XS_CHECK(call(kB, __HYPERVISOR_sched_op, {SCHEDOP_poll, kArgument, 0, 0, 0, 0}) == 0);
  }

  xen::CoreState::Timers timers() const {
    xen::CoreState::Timers list;
    for (const auto& [id, deadline] : platform.timers) list.emplace_back(id, deadline);
    return list;
  }

  gnttab_map_grant_ref mapped;

 private:
  void callback_via(uint64_t value) {
    xen_hvm_param via{};
    via.domid = DOMID_SELF;
    via.index = HVM_PARAM_CALLBACK_IRQ;
    via.value = value;
    XS_CHECK(call_with(kA, __HYPERVISOR_hvm_op, HVMOP_set_param, via) == 0);
  }
  void map_pirq() {
    physdev_map_pirq op{};
    op.domid = DOMID_SELF;
    op.type = MAP_PIRQ_TYPE_GSI;
    op.index = 20;
    op.pirq = -1;
    XS_CHECK(call_with(kA, __HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, op) == 0);
  }
  void use_fifo_and_version_2(DomId dom) {
    evtchn_init_control control{0x30, 0x40, 0, 0, {}};
    XS_CHECK(call_with(dom, __HYPERVISOR_event_channel_op, EVTCHNOP_init_control, control) == 0);
    evtchn_expand_array expand{0x31};
    XS_CHECK(call_with(dom, __HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, expand) == 0);
    XS_CHECK(set_version(dom, 2) == 0);
  }
};

}  // namespace xensim
