// How a domain turns to FIFO event channels and back: control blocks, pages of the event array, what was pending
// before.
#include "models/xen/evtchn_fifo.h"

#include <algorithm>

#include "models/xen/p2m.h"
#include "models/xen/port_ops.h"
#include "models/xen/shared_layout.h"

namespace xensim::xen {
namespace {

// A page of the domain's own with a reference on it; nullopt: -EINVAL.
Maybe<Maddr> hold_page(Domain& domain, Gfn gfn) {
  const Maybe<Mfn> frame = domain.p2m().acquire_page(gfn);
  if (!frame) return std::nullopt;
  return Maddr{frame->v << kPageShift};
}

void drop_page(Domain& domain, Maddr at) { domain.p2m().drop_reference(Mfn{at.v >> kPageShift}); }

int64_t set_control_block(Domain& domain, FifoState& fifo, uint32_t vcpu, Gfn gfn, uint32_t offset) {
  Shared<Maddr>& block = fifo.control_block(vcpu);
  if (block.load() != kNoControlBlock) return -XEN_EINVAL;
  const Maybe<Maddr> page = hold_page(domain, gfn);
  if (!page) return -XEN_EINVAL;
  block.store({page->v + offset});
  return 0;
}

// Events that are pending in the 2-level bitmap are raised again once their ports have a word.
void hold_pending_events(Entry& entry, Domain& domain, uint32_t two_level_ports) XS_REQUIRES(domain.evtchn.event_lock) {
  Platform& platform = entry.platform();
  const SharedLayout layout(domain);
  const uint32_t end = std::min(two_level_ports, domain.evtchn.valid_ports.load());
  for (uint32_t port = 1; port < end; ++port) {
    Channel& channel = domain.evtchn.at(port);
    const GuestBit bit = layout.pending(port);
    if ((platform.load(Site::kEvtchnPending, bit.word, bit.bytes) & bit.mask) != 0) {
      channel.held.store(platform, Site::kHeldEvent, domain.id(), port, true);
    }
    channel.priority.store(platform, Site::kPriority, domain.id(), port, kDefaultPriority);
  }
}

int64_t turn_to_fifo(Entry& entry, Domain& domain, uint32_t vcpu, Gfn gfn, uint32_t offset)
    XS_REQUIRES(domain.evtchn.event_lock) {
  const uint32_t two_level_ports = domain.evtchn.ops().port_limit(domain);
  auto fifo = std::make_unique<FifoState>(entry.platform(), domain);
  if (const int64_t error = set_control_block(domain, *fifo, vcpu, gfn, offset); error != 0) return error;
  domain.evtchn.fifo = std::move(fifo);
  domain.evtchn.use_ops(fifo_port_ops());
  hold_pending_events(entry, domain, two_level_ports);
  return 0;
}

// Raises what was pending while the ports of a new page had no word; whatever the channel is now, as Xen does.
void raise_held_events(Entry& entry, Domain& domain, uint32_t first, uint32_t end)
    XS_REQUIRES(domain.evtchn.event_lock) {
  for (uint32_t port = first; port < end; ++port) {
    Channel* channel = domain.evtchn.find(port);
    if (channel == nullptr) return;
    if (!channel->held.load(entry.platform(), Site::kHeldEvent, domain.id(), port)) continue;
    fifo_port_ops().set_pending(entry, *domain.vcpu(channel->notify_vcpu.load()), *channel);
  }
}

}  // namespace

FifoState::FifoState(Platform& platform, const Domain& domain) : ports(platform, Site::kEventWords, domain.id()) {
  for (uint32_t vcpu = 0; vcpu < domain.vcpu_count(); ++vcpu) {
    control_blocks_.push_back(
        std::make_unique<Shared<Maddr>>(platform, Site::kControlBlock, domain.id(), vcpu, kNoControlBlock));
    for (uint32_t priority = 0; priority < EVTCHN_FIFO_MAX_QUEUES; ++priority) {
      const auto number = static_cast<uint32_t>(queues_.size());
      queues_.push_back(std::make_unique<FifoQueue>(domain.id(), number));
    }
  }
}

int64_t init_control(Entry& entry, Domain& domain, uint32_t vcpu, Gfn gfn, uint32_t offset) {
  if (domain.vcpu(vcpu) == nullptr) return -XEN_ENOENT;
  if (offset > kPageSize - sizeof(evtchn_fifo_control_block) || offset % 8 != 0) return -XEN_EINVAL;
  LockGuard guard(entry, domain.evtchn.event_lock);
  if (domain.evtchn.fifo == nullptr) return turn_to_fifo(entry, domain, vcpu, gfn, offset);
  return set_control_block(domain, *domain.evtchn.fifo, vcpu, gfn, offset);
}

int64_t expand_array(Entry& entry, Domain& domain, Gfn gfn) {
  LockGuard guard(entry, domain.evtchn.event_lock);
  FifoState* fifo = domain.evtchn.fifo.get();
  if (fifo == nullptr) return -XEN_EOPNOTSUPP;
  const uint32_t first = fifo->ports.load();
  if (first >= EVTCHN_FIFO_NR_CHANNELS) return -XEN_ENOSPC;
  const Maybe<Maddr> page = hold_page(domain, gfn);
  if (!page) return -XEN_EINVAL;
  fifo->pages[first / kWordsPerPage] = *page;
  fifo->ports.store(first + kWordsPerPage);
  raise_held_events(entry, domain, first, first + kWordsPerPage);
  return 0;
}

void leave_fifo(Domain& domain) {
  FifoState* fifo = domain.evtchn.fifo.get();
  if (fifo == nullptr) return;
  domain.evtchn.use_ops(two_level_port_ops());
  for (uint32_t vcpu = 0; vcpu < fifo->vcpu_count(); ++vcpu) {
    const Maddr block = fifo->control_block(vcpu).load();
    if (block != kNoControlBlock) drop_page(domain, block);
  }
  for (uint32_t page = 0; page < fifo->ports.load() / kWordsPerPage; ++page) drop_page(domain, fifo->pages[page]);
  domain.evtchn.fifo.reset();
}

}  // namespace xensim::xen
