// The tables of Domain, its configuration and its vCPUs.
#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/shared_layout.h"
#include "models/xen/state/fields.h"

namespace xensim::xen {

template <>
void fields_of(StateArchive& ar, RamRange& range) {
  ar("start", range.start);
  ar("bytes", range.bytes);
  ar("base", range.base);
}

template <>
void fields_of(StateArchive& ar, DomainConfig& config) {
  constexpr uint64_t kMostRanges = 16;
  ar("id", config.id);
  ar("vcpus", config.vcpus);
  ar("ram", config.ram, kMostRanges);
  ar("max_event_channels", config.max_event_channels);
  ar("reserved_ports", config.reserved_ports);
  ar("max_grant_frames", config.max_grant_frames);
  ar("max_maptrack_frames", config.max_maptrack_frames);
  ar("privileged", config.privileged);
  ar("pic", config.pic);
  ar("emulated_pirqs", config.emulated_pirqs);
  ar("pirqs", config.pirqs);
  ar("empty_grant_table", config.empty_grant_table);
  ar.skip("restored", "says that the domain is being read from a state");
}

template <>
void fields_of(StateArchive& ar, HypercallRegs& regs) {
  ar("mode64", regs.mode64);
  ar("cpl", regs.cpl);
  ar("interrupts_enabled", regs.interrupts_enabled);
  ar("nr", regs.nr);
  ar("args", regs.args);
}

template <>
void fields_of(StateArchive& ar, Runstate& runstate) {
  ar.below("state", runstate.state, RUNSTATE_offline + 1);
  ar("entry_time_ns", runstate.entry_time_ns);
  ar("time_ns", runstate.time_ns);
}

template <>
void fields_of(StateArchive& ar, Vcpu& vcpu) {
  constexpr uint64_t kMostPolled = 128;
  ar.below("blocked", vcpu.blocked, 2);
  ar.below("down", vcpu.down, 2);
  ar("told_runnable", vcpu.told_runnable);
  ar("poll_port", vcpu.poll_port);
  ar("info_at", vcpu.info_at);
  check_place(ar, "info_at", vcpu.info_at.peek(), sizeof(vcpu_info));
  ar("info_registered", vcpu.info_registered);
  ar("held_selector", vcpu.held_selector);
  ar("initialised", vcpu.initialised);
  ar.skip("virq_lock", "nobody is inside");
  ar("virq_port", vcpu.virq_port);
  ar("upcall_vector", vcpu.upcall_vector);
  ar("halted_for_good", vcpu.halted_for_good);
  ar.skip("lock", "nobody is inside");
  ar("runstate", vcpu.runstate);
  ar("runstate_area", vcpu.runstate_area);
  ar("time_area", vcpu.time_area);
  ar("runstate_place_narrow", vcpu.runstate_place_narrow);
  ar("runstate_place", vcpu.runstate_place);
  const size_t runstate_bytes =
      vcpu.runstate_place_narrow ? sizeof(abi32::vcpu_runstate_info) : sizeof(::vcpu_runstate_info);
  check_place(ar, "runstate_place", vcpu.runstate_place, vcpu.runstate_place.v == 0 ? 0 : runstate_bytes);
  ar("time_place", vcpu.time_place);
  check_place(ar, "time_place", vcpu.time_place, vcpu.time_place.v == 0 ? 0 : sizeof(vcpu_time_info));
  ar("time_written_ns", vcpu.time_written_ns);
  ar("periodic_period_ns", vcpu.periodic_period_ns);
  ar("periodic_last_ns", vcpu.periodic_last_ns);
  ar("continuation", vcpu.continuation);
  ar("outside_answer", vcpu.outside_answer);
  ar("polled_ports", vcpu.polled_ports, kMostPolled);
  ar("poll_timer_armed", vcpu.poll_timer_armed);
  ar("sleeps_interruptible", vcpu.sleeps_interruptible);
  ar("time_version", vcpu.time_version);
  ar.skip("domain_", "whose it is: its place in the state");
  ar.skip("ref_", "who it is: its place in the state");
}

template <>
void fields_of(StateArchive& ar, Domain& domain) {
  ar.skip("config", "comes first, so that the domain can be made");
  ar.skip("lock", "nobody is inside");
  ar("hvm_params", domain.hvm_params);
  ar("abi32", domain.abi32);
  ar("vm_assist", domain.vm_assist);
  ar("shut_down", domain.shut_down);
  ar("dying", domain.dying);
  ar("gone", domain.gone);
  ar("wallclock_version", domain.wallclock_version);
  ar("shutdown_code", domain.shutdown_code);
  place_field(ar, "shared_info_", domain.shared_info_, kPageSize);
  place_field(ar, "dummy_info_", domain.dummy_info_, domain.vcpu_count() > kLegacyVcpuInfos ? kPageSize : 0);
  ar("evtchn", domain.evtchn);
  ar("pirqs", domain.pirqs);
  ar("watchdogs_in_use", domain.watchdogs_in_use);
  ar.skip("has_pic", "of the configuration");
  ar("callback_via", domain.callback_via);
  ar("callback_level", domain.callback_level);
  ar.skip("callback_lock", "nobody is inside");
  ar("poll_mask", domain.poll_mask);
  ar.skip("id_", "of the configuration");
  ar.skip("privileged_", "of the configuration");
  ar.skip("has_pirqs_", "of the configuration");
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) ar("vcpus_", *domain.vcpus_[number]);
  ar("p2m_", *domain.p2m_);
  ar("grants_", *domain.grants_);
}

}  // namespace xensim::xen
