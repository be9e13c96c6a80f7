// The tables of event channels, 2-level and FIFO, and of PIRQs.
#include "models/xen/evtchn.h"
#include "models/xen/port_ops.h"
#include "models/xen/state/fields.h"

namespace xensim::xen {

template <>
void fields_of(StateArchive& ar, Channel& channel) {
  ar.skip("lock", "nobody is inside");
  ar("notify_vcpu", channel.notify_vcpu);
  ar.skip("port", "its place in the table");
  ar.one_of("state", channel.state, ChannelState::kIpi);
  ar("remote_dom", channel.remote_dom);
  ar("remote_port", channel.remote_port);
  ar("irq", channel.irq);
  ar("outside", channel.outside);
  domain_field(ar, "remote", channel.remote);
  ar("last_queue", channel.last_queue);
  ar("priority", channel.priority);
  ar("held", channel.held);
}

template <>
void fields_of(StateArchive& ar, Pirq& pirq) {
  ar("known", pirq.known);
  ar("kept", pirq.kept);
  ar("gsi", pirq.gsi);
  if (pirq.gsi != Pirq::kNoGsi) ar.check_below("gsi", static_cast<uint32_t>(pirq.gsi), PirqTable::kMax);
}

template <>
void fields_of(StateArchive& ar, PirqTable& table) {
  ar.skip("count_", "of the configuration");
  ar("pirqs_", table.pirqs_);
}

template <>
void fields_of(StateArchive& ar, FifoQueue& queue) {
  ar.skip("lock", "nobody is inside");
  ar.skip("number", "its place in the list");
  ar("tail", queue.tail);
}

template <>
void fields_of(StateArchive& ar, FifoState& fifo) {
  ar.below("ports", fifo.ports, EvtchnTable::kMaxPorts + 1);
  const uint64_t pages = (uint64_t{fifo.ports.peek()} + kWordsPerPage - 1) / kWordsPerPage;
  for (uint64_t i = 0; i < pages && ar.ok(); ++i) place_field(ar, "pages", fifo.pages[i], kPageSize);
  for (const auto& queue : fifo.queues_) ar("queues_", *queue);
  for (const auto& block : fifo.control_blocks_) {
    Maddr at = block->peek();
    place_field(ar, "control_blocks_", at, at == kNoControlBlock ? 0 : sizeof(evtchn_fifo_control_block));
    if (ar.loading()) block->poke(at);
  }
}

template <>
void fields_of(StateArchive& ar, EvtchnTable& table) {
  bool is_fifo = table.fifo != nullptr;
  ar.skip("ops_", "2-level, or FIFO where there is a FifoState");
  ar("fifo", is_fifo);
  if (ar.loading() && is_fifo) {
    table.fifo = std::make_unique<FifoState>(table.platform_, *core_reader(ar).find_domain(table.dom_));
    table.use_ops(fifo_port_ops());
  }
  if (table.fifo != nullptr) fields_of(ar, *table.fifo);
  ar.skip("toolstack_ports", "of the configuration");
  ar.skip("event_lock", "nobody is inside");

  uint32_t ports = table.valid_ports.peek();
  ar.below("valid_ports", ports, EvtchnTable::kMaxPorts + 1);
  if (ar.loading() && (ports == 0 || ports % EvtchnTable::kPortsPerBucket != 0 ||
                       ports > (table.max_port_ / EvtchnTable::kPortsPerBucket + 1) * EvtchnTable::kPortsPerBucket)) {
    ar.fail("valid_ports is no number of ports that the domain can have");
  }
  while (ar.loading() && ar.ok() && table.valid_ports.peek() < ports) table.add_bucket();
  for (uint32_t port = 0; port < ports && ar.ok(); ++port) ar("buckets_", table.at(port));

  ar("active", table.active);
  ar("next_reset", table.next_reset);
  ar("pirq_port", table.pirq_port, 256);
  ar("first_free_", table.first_free_);
  ar.skip("platform_", "the machine's");
  ar.skip("dom_", "of the configuration");
  ar.skip("max_port_", "of the configuration");
}

}  // namespace xensim::xen
