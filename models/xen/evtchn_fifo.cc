// FIFO event channels: an event is put on its queue by the hypervisor, and taken off by the guest, without a lock
// between the two.
//
// What keeps the list whole is the order of the atomic accesses to event words and control blocks, here as in Xen.
// Guest memory is hostile: a word or a head may hold anything, and all that this trusts is its own `tail`.
#include "models/xen/evtchn_fifo.h"

#include <utility>

#include "models/xen/poll.h"
#include "models/xen/port_ops.h"
#include "models/xen/shared_layout.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kPending = 1u << EVTCHN_FIFO_PENDING;
constexpr uint32_t kMasked = 1u << EVTCHN_FIFO_MASKED;
constexpr uint32_t kLinked = 1u << EVTCHN_FIFO_LINKED;
constexpr uint32_t kBusy = 1u << EVTCHN_FIFO_BUSY;

// How often an event whose queue changes meanwhile is tried, and a tail that the guest changes meanwhile.
constexpr int kQueueTries = 3;
constexpr int kLinkTries = 4;

bool set_bits(Platform& platform, Maddr word, uint32_t bits) {
  return (platform.rmw(Site::kEventWord, word, 4, Rmw::kOr, bits) & bits) != 0;
}
void clear_bits(Platform& platform, Maddr word, uint32_t bits) {
  platform.rmw(Site::kEventWord, word, 4, Rmw::kAnd, ~bits);
}
uint32_t load_word(Platform& platform, Maddr word) {
  return static_cast<uint32_t>(platform.load(Site::kEventWord, word, 4));
}

FifoState& state_of(Domain& domain) { return *domain.evtchn.fifo; }

// nullopt: its page is not there yet.
Maybe<Maddr> word_of(Domain& domain, uint32_t port) {
  FifoState& fifo = state_of(domain);
  if (port >= fifo.ports.load()) return std::nullopt;
  return fifo.word(port);
}

bool test_bits(Entry& entry, Domain& domain, uint32_t port, uint32_t bits) {
  const Maybe<Maddr> word = word_of(domain, port);
  return word && (load_word(entry.platform(), *word) & bits) != 0;
}

// The queue an event goes to and the one it was on last, which may be the same; both are locked.
class QueueLocks {
 public:
  QueueLocks(Entry& entry, FifoQueue& queue, FifoQueue& old) : entry_(entry), queue_(queue), old_(&old) {
    take(queue.number <= old.number ? queue : old);
    if (&queue != &old) take(queue.number <= old.number ? old : queue);
  }
  ~QueueLocks() noexcept(false) {
    release_old();
    release(queue_);
  }
  QueueLocks(const QueueLocks&) = delete;
  QueueLocks& operator=(const QueueLocks&) = delete;

  void release_old() {
    if (old_ != &queue_) release(*old_);
    old_ = &queue_;
  }

 private:
  void take(FifoQueue& queue) XS_NO_THREAD_SAFETY_ANALYSIS {
    entry_.held.check_and_push(queue.lock);
    entry_.platform().lock(queue.lock.state());
  }
  void release(FifoQueue& queue) XS_NO_THREAD_SAFETY_ANALYSIS {
    entry_.held.remove(queue.lock);
    entry_.platform().unlock(queue.lock.state());
  }

  Entry& entry_;
  FifoQueue& queue_;
  FifoQueue* old_;
};

enum class Link { kDone, kNotLinked, kChanged };

// One try to make `tail`, a word seen as `seen`, link to `port`; `seen` becomes what it is now.
Link try_link(Platform& platform, Maddr tail, uint32_t& seen, uint32_t port) {
  if ((seen & kLinked) == 0) return Link::kNotLinked;
  const uint32_t expected = seen;
  const uint32_t wanted = (expected & ~(kBusy | EVTCHN_FIFO_LINK_MASK)) | port;
  seen = static_cast<uint32_t>(platform.rmw(Site::kEventWord, tail, 4, Rmw::kCompareExchange, wanted, expected));
  return seen == expected ? Link::kDone : Link::kChanged;
}

// Links the event in word `tail` to `port`, if it still is on a queue. false: it is not, so the queue is empty.
//
// A guest may mask and unmask a linked event, consume it and unlink it: three changes, and one more try to see the last
// one, as long as BUSY keeps it from unmasking.
bool link_to(Platform& platform, Maddr tail, uint32_t port) {
  uint32_t seen = load_word(platform, tail);
  Link result = try_link(platform, tail, seen, port);
  if (result != Link::kChanged) return result == Link::kDone;

  set_bits(platform, tail, kBusy);
  seen = load_word(platform, tail);
  for (int i = 0; i < kLinkTries; ++i) {
    result = try_link(platform, tail, seen, port);
    if (result == Link::kDone) return true;
    if (result == Link::kNotLinked) break;
  }
  clear_bits(platform, tail, kBusy);
  // A guest that breaks the protocol loses the event: it counts as linked, so that the sender goes on.
  return result != Link::kNotLinked;
}

class FifoPortOps final : public PortOps {
 public:
  void bound(Entry& entry, Domain& domain, Channel& channel) const override {
    channel.priority.store(entry.platform(), Site::kPriority, domain.id(), channel.port, kDefaultPriority);
  }

  void set_pending(Entry& entry, Vcpu& vcpu, Channel& channel) const override {
    Domain& domain = vcpu.domain();
    const Maybe<Maddr> word = word_of(domain, channel.port);
    if (!word) {
      channel.held.store(entry.platform(), Site::kHeldEvent, domain.id(), channel.port, true);
      return;
    }
    bool newly_pending = false;
    const std::optional<uint32_t> ready = put_on_queue(entry, vcpu, channel, *word, newly_pending);
    if (ready) announce_queue(entry, vcpu, *ready);
    if (newly_pending) check_pollers(entry, vcpu, channel.port, false);
  }

  // The guest takes an event that is no longer pending off its queue without handling it.
  void clear_pending(Entry& entry, Domain& domain, Channel& channel) const override {
    if (const Maybe<Maddr> word = word_of(domain, channel.port)) clear_bits(entry.platform(), *word, kPending);
  }

  void unmask(Entry& entry, Domain& domain, Channel& channel) const override {
    Vcpu* vcpu = domain.vcpu(channel.notify_vcpu.load());
    XS_CHECK(vcpu != nullptr);
    const Maybe<Maddr> word = word_of(domain, channel.port);
    if (!word) return;
    clear_bits(entry.platform(), *word, kMasked);
    if ((load_word(entry.platform(), *word) & kPending) != 0) set_pending(entry, *vcpu, channel);
  }

  void announce(Entry& entry, Vcpu& vcpu, Channel& channel) const override { set_pending(entry, vcpu, channel); }

  bool is_pending(Entry& entry, Domain& domain, Channel& channel) const override {
    return test_bits(entry, domain, channel.port, kPending);
  }
  bool is_busy(Entry& entry, Domain& domain, Channel& channel) const override {
    return test_bits(entry, domain, channel.port, kLinked);
  }

  // An event that is on a queue already stays there; later ones go to the new one.
  int64_t set_priority(Entry& entry, Domain& domain, Channel& channel, uint32_t priority) const override {
    if (!channel.usable()) return -XEN_EACCES;
    if (priority > EVTCHN_FIFO_PRIORITY_MIN) return -XEN_EINVAL;
    channel.priority.store(entry.platform(), Site::kPriority, domain.id(), channel.port,
                           static_cast<uint8_t>(priority));
    return 0;
  }

  uint32_t port_limit(const Domain&) const override { return EVTCHN_FIFO_NR_CHANNELS; }

  PortBits peek(Platform& platform, const Domain& domain, const Channel& channel) const override {
    const FifoState& fifo = *domain.evtchn.fifo;
    if (channel.port >= fifo.ports.peek()) return {channel.held.peek(), true, false};
    const uint64_t word = platform.peek(fifo.word(channel.port), 4);
    const Maddr info = domain.vcpu(channel.notify_vcpu.peek())->info_at.peek();
    return {(word & kPending) != 0, (word & kMasked) != 0,
            (word & kLinked) != 0 && platform.peek(upcall_pending_at(info), 1) != 0};
  }

 private:
  // The queue's bit in the control block; if that is new, the upcall.
  static void announce_queue(Entry& entry, Vcpu& vcpu, uint32_t priority) {
    const Maddr block = state_of(vcpu.domain()).control_block(vcpu.id().v).load();
    const Maddr ready{block.v + offsetof(evtchn_fifo_control_block, ready)};
    const uint32_t bit = 1u << priority;
    if ((entry.platform().rmw(Site::kQueueReady, ready, 4, Rmw::kOr, bit) & bit) == 0) mark_events_pending(entry, vcpu);
  }

  // Sets PENDING and, unless the event is masked or linked already, puts it on its queue. Gives the queue's priority
  // where it was empty before.
  //
  // Both queues are locked before PENDING is set and until the event is on its queue: nobody shall find the event
  // linked, and wake the guest for it, before the guest can find it too.
  static std::optional<uint32_t> put_on_queue(Entry& entry, Vcpu& vcpu, Channel& channel, Maddr word,
                                              bool& newly_pending) {
    FifoState& fifo = state_of(vcpu.domain());
    for (int i = 0; i < kQueueTries; ++i) {
      FifoQueue& old = fifo.queue(last_queue(entry, vcpu, channel));
      FifoQueue& queue = fifo.queue(vcpu.id().v, priority(entry, vcpu, channel));
      QueueLocks locks(entry, queue, old);
      // The guest may have given the channel another priority, and a sender another last queue, meanwhile.
      if (last_queue(entry, vcpu, channel) != old.number) continue;
      if (priority(entry, vcpu, channel) != queue.priority()) continue;
      return put_on_locked_queue(entry, vcpu, channel, word, queue, old, locks, newly_pending);
    }
    return std::nullopt;  // the event is lost, as it is on Xen
  }

  static std::optional<uint32_t> put_on_locked_queue(Entry& entry, Vcpu& vcpu, Channel& channel, Maddr word,
                                                     FifoQueue& queue, FifoQueue& old, QueueLocks& locks,
                                                     bool& newly_pending) {
    Platform& platform = entry.platform();
    FifoState& fifo = state_of(vcpu.domain());
    // The guest must not unmask an event of a vCPU that has no control block: it is dropped.
    const Maddr block = fifo.control_block(vcpu.id().v).load();
    if (block == kNoControlBlock) return std::nullopt;

    newly_pending = !set_bits(platform, word, kPending);
    if ((load_word(platform, word) & kMasked) != 0 || set_bits(platform, word, kLinked)) return std::nullopt;

    // It was the last of its old queue and no longer is on it: that queue is empty.
    if (old.tail == channel.port && !entry.flavour().b_x3_stale_tail) old.tail = 0;
    if (&old != &queue) {
      channel.last_queue.store(platform, Site::kLastQueue, vcpu.domain().id(), channel.port, queue.number);
      locks.release_old();
    }
    const uint32_t tail = std::exchange(queue.tail, channel.port);
    if (tail != 0 && link_to(platform, fifo.word(tail), channel.port)) return std::nullopt;
    const Maddr head{block.v + offsetof(evtchn_fifo_control_block, head) + queue.priority() * sizeof(event_word_t)};
    platform.store(Site::kQueueHead, head, 4, channel.port);
    return queue.priority();
  }

  static uint32_t last_queue(Entry& entry, Vcpu& vcpu, Channel& channel) {
    return channel.last_queue.load(entry.platform(), Site::kLastQueue, vcpu.domain().id(), channel.port);
  }
  static uint32_t priority(Entry& entry, Vcpu& vcpu, Channel& channel) {
    return channel.priority.load(entry.platform(), Site::kPriority, vcpu.domain().id(), channel.port);
  }
};

}  // namespace

const PortOps& fifo_port_ops() {
  static const FifoPortOps ops;
  return ops;
}

}  // namespace xensim::xen
