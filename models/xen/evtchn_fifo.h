// The FIFO event channel ABI: what the hypervisor keeps of it for one domain.
//
// Each port has a word of guest memory in the event array, whose pages the guest gives one by one. Each vCPU has 16
// queues, one a priority, that are lists of ports linked through those words; the queues' heads, and a bit for each
// queue that has something on it, lie in the vCPU's control block, guest memory too. Made by the domain's first
// EVTCHNOP_init_control, gone with EVTCHNOP_reset.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "models/base/types.h"
#include "models/xen/abi/public.h"
#include "models/xen/hypervisor.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

inline constexpr uint32_t kWordsPerPage = kPageSize / sizeof(event_word_t);
inline constexpr uint32_t kEventPages = EVTCHN_FIFO_NR_CHANNELS / kWordsPerPage;

// Of a vCPU without one: no machine address, of which 0 is one.
inline constexpr Maddr kNoControlBlock{~uint64_t{0}};

// `number` is vCPU * 16 + priority; the order in which two queues are locked.
struct FifoQueue {
  FifoQueue(DomId dom, uint32_t queue_number)
      : lock(LockRank::kQueue, Site::kQueueLock, dom, queue_number), number(queue_number) {}

  uint32_t vcpu() const { return number / EVTCHN_FIFO_MAX_QUEUES; }
  uint32_t priority() const { return number % EVTCHN_FIFO_MAX_QUEUES; }

  Lock lock;
  const uint32_t number;
  uint32_t tail = 0;  // the port put on it last; 0: none since it was last known to be empty. Guarded by `lock`
};

class FifoState {
 public:
  FifoState(Platform& platform, const Domain& domain);

  FifoQueue& queue(uint32_t vcpu, uint32_t priority) { return queue(vcpu * EVTCHN_FIFO_MAX_QUEUES + priority); }
  FifoQueue& queue(uint32_t number) { return *queues_[number]; }
  Shared<Maddr>& control_block(uint32_t vcpu) { return *control_blocks_[vcpu]; }
  uint32_t vcpu_count() const { return static_cast<uint32_t>(control_blocks_.size()); }

  // The word of `port`, which is below `ports`.
  Maddr word(uint32_t port) const {
    return {pages[port / kWordsPerPage].v + port % kWordsPerPage * sizeof(event_word_t)};
  }

  // Pages of the event array; those below `ports` are there, with a reference each.
  std::array<Maddr, kEventPages> pages{};
  // Ports that have a word. Read without a lock: published after the page.
  Shared<uint32_t> ports;

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  std::vector<std::unique_ptr<FifoQueue>> queues_;
  std::vector<std::unique_ptr<Shared<Maddr>>> control_blocks_;  // kNoControlBlock: the vCPU has none yet
};

// EVTCHNOP_init_control: 0, -ENOENT (no such vCPU) or -EINVAL (offset, no page, has one already). The first one turns
// the domain from 2-level channels to FIFO.
int64_t init_control(Entry& entry, Domain& domain, uint32_t vcpu, Gfn gfn, uint32_t offset);
// EVTCHNOP_expand_array: 0, -EOPNOTSUPP (2-level), -ENOSPC (all 131,072 ports have a word) or -EINVAL (no page).
int64_t expand_array(Entry& entry, Domain& domain, Gfn gfn);
// Back to 2-level channels, if FIFO is in use; none is open.
void leave_fifo(Domain& domain) XS_REQUIRES(domain.evtchn.event_lock);

}  // namespace xensim::xen
