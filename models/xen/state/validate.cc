#include "models/xen/state/validate.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/xen/evtchn.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/grant_table.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {
namespace {

// Ports that the 2-level bitmaps have room for.
constexpr uint32_t kTwoLevelPorts = 4096;

const char* wrong_channel(const Domain& domain, const Channel& channel) XS_NO_THREAD_SAFETY_ANALYSIS {
  if (channel.priority.peek() >= EVTCHN_FIFO_MAX_QUEUES) return "has a priority that there is not";
  if (channel.last_queue.peek() >= domain.vcpu_count() * EVTCHN_FIFO_MAX_QUEUES) return "was on a queue of no vCPU";
  if (channel.notify_vcpu.peek() >= domain.vcpu_count()) return "is bound to no vCPU";
  if (!channel.usable()) return nullptr;
  if (domain.evtchn.fifo == nullptr && channel.port >= kTwoLevelPorts) return "has no bit";
  switch (channel.state) {
    case ChannelState::kVirq: return channel.irq < kVirqCount ? nullptr : "has a VIRQ that there is not";
    case ChannelState::kPirq:
      return channel.irq < domain.evtchn.pirq_port.size() ? nullptr : "has a PIRQ that there is not";
    case ChannelState::kInterdomain:
      if (channel.remote == nullptr || channel.remote_port < channel.remote->evtchn.valid_ports.peek()) return nullptr;
      return "leads to no port";
    default: return nullptr;
  }
}

void validate_channels(StateArchive& ar, const Domain& domain) XS_NO_THREAD_SAFETY_ANALYSIS {
  const uint32_t ports = domain.evtchn.valid_ports.peek();
  for (uint32_t port = 0; port < ports && ar.ok(); ++port) {
    const char* why = wrong_channel(domain, domain.evtchn.at(port));
    if (why != nullptr) ar.fail(fmt::format("domain {} port {} {}", domain.id().v, port, why));
  }
  for (const uint32_t port : domain.evtchn.pirq_port) ar.check_below("pirq_port", port, ports);
  ar.check_below("next_reset", domain.evtchn.next_reset, uint64_t{ports} + 1);
  ar.check_below("first_free_", domain.evtchn.first_free(), uint64_t{ports} + 1);
  FifoState* const fifo = domain.evtchn.fifo.get();
  if (fifo == nullptr) return;
  for (uint32_t number = 0; number < fifo->vcpu_count() * EVTCHN_FIFO_MAX_QUEUES; ++number) {
    const uint32_t tail = fifo->queue(number).tail;
    if (tail != 0) ar.check_below("tail", tail, fifo->ports.peek());
  }
  for (uint32_t vcpu = 0; vcpu < fifo->vcpu_count(); ++vcpu) {
    const Maddr block = fifo->control_block(vcpu).peek();
    if (block != kNoControlBlock && block.v % 8 != 0) ar.fail("a control block is not aligned");
  }
}

void validate_vcpus(StateArchive& ar, const Domain& domain) {
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    for (const auto& port : domain.vcpu(number)->virq_port) {
      ar.check_below("virq_port", port.load(), domain.evtchn.valid_ports.peek());
    }
  }
  const uint32_t vcpus = domain.vcpu_count();
  for (uint32_t first = 0; first < kMaxVcpus; first += 64) {
    const uint64_t allowed = vcpus >= first + 64 ? ~uint64_t{0}
                             : vcpus <= first    ? 0
                                                 : (uint64_t{1} << (vcpus - first)) - 1;
    if ((domain.poll_mask[first / 64].peek() & ~allowed) != 0) ar.fail("a vCPU polls that there is not");
  }
}

// A clock that is ahead would go back, once the machine's own is shown.
void validate_clocks(StateArchive& ar, const Domain& domain, VirtualNs now) XS_NO_THREAD_SAFETY_ANALYSIS {
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    const Vcpu& vcpu = *domain.vcpu(number);
    ar.check_below("time_written_ns", vcpu.time_written_ns, now.v + 1);
    // What happens at 0 ns is shown as at 1.
    ar.check_below("entry_time_ns", vcpu.runstate.entry_time_ns, std::max<uint64_t>(now.v, 1) + 1);
  }
}

void validate_mappings(StateArchive& ar, const Hypervisor& hv, Domain& domain) XS_NO_THREAD_SAFETY_ANALYSIS {
  Maptrack& handles = domain.grants().maptrack;
  for (uint32_t handle = 0; handle < handles.limit() && ar.ok(); ++handle) {
    const MaptrackEntry& mapping = *handles.find(handle);
    if (mapping.flags.load() == 0) continue;
    Domain* const granter = hv.last_domain(DomId{mapping.domid.load()});
    if (granter == nullptr) return ar.fail("a mapping of a grant of no domain");
    ar.check_below("ref", mapping.ref.load(), granter->grants().entries());
  }
}

}  // namespace

void validate(StateArchive& ar, const Hypervisor& hv, VirtualNs now) {
  for (const auto& domain : hv.domains()) {
    if (hv.last_domain(domain->id()) != domain.get() && !domain->gone.load()) ar.fail("two domains have one id");
  }
  for (const auto& domain : hv.domains()) {
    validate_channels(ar, *domain);
    validate_vcpus(ar, *domain);
    validate_clocks(ar, *domain, now);
  }
  for (const auto& domain : hv.domains()) {
    if (ar.ok()) validate_mappings(ar, hv, *domain);
  }
}

}  // namespace xensim::xen
