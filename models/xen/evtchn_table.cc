#include "models/xen/evtchn_table.h"

#include <algorithm>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/port_ops.h"

namespace xensim::xen {

EvtchnTable::EvtchnTable(Platform& platform, DomId dom, uint32_t max_port, uint32_t reserved_ports)
    : toolstack_ports(reserved_ports),
      event_lock(LockRank::kEvent, Site::kEventLock, dom),
      valid_ports(platform, Site::kValidPorts, dom),
      platform_(platform),
      dom_(dom),
      max_port_(std::min(max_port, kMaxPorts - 1)),
      ops_(&two_level_port_ops()),
      buckets_(max_port_ / kPortsPerBucket + 1) {
  XS_CHECK(toolstack_ports < kPortsPerBucket);
  buckets_[0] = std::make_unique<Bucket>(platform_, dom_, 0u, std::make_index_sequence<kPortsPerBucket>());
  valid_ports.poke(kPortsPerBucket);
  at(0).state = ChannelState::kReserved;
  for (uint32_t port = 1; port <= toolstack_ports; ++port) {
    Channel& channel = at(port);
    channel.state = ChannelState::kInterdomain;
    channel.remote_dom = DomId{0};
    channel.remote_port = port;
  }
  active = toolstack_ports;
}

EvtchnTable::~EvtchnTable() = default;

int64_t EvtchnTable::allocate(Entry& entry, Domain& domain) {
  const uint32_t abi_ports = ops().port_limit(domain);
  while (first_free_ < valid_ports.peek() && at(first_free_).state != ChannelState::kFree) ++first_free_;
  for (uint32_t port = first_free_; port <= max_port_ && port < abi_ports; ++port) {
    // The event lock is held: nobody else changes the number of valid ports.
    if (port >= valid_ports.peek()) {
      add_bucket();
    } else if (at(port).state != ChannelState::kFree || ops().is_busy(entry, domain, at(port))) {
      continue;
    }
    ++active;
    return port;
  }
  return -XEN_ENOSPC;
}

void EvtchnTable::release(Channel& channel) {
  --active;
  first_free_ = std::min(first_free_, channel.port);
  channel.state = ChannelState::kFree;
  channel.remote = nullptr;
  channel.outside.store(false);
  channel.notify_vcpu.store(0);
}

void EvtchnTable::add_bucket() {
  const uint32_t first = valid_ports.peek();
  buckets_[first / kPortsPerBucket] =
      std::make_unique<Bucket>(platform_, dom_, first, std::make_index_sequence<kPortsPerBucket>());
  // Published last: find() reads it without a lock and then goes to the bucket.
  valid_ports.store(first + kPortsPerBucket);
}

}  // namespace xensim::xen
