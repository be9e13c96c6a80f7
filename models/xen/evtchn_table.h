// The event channels of one domain: what each port is bound to, in buckets that are made when a port in them is first
// taken.
//
// A bucket is published by `valid_ports`, read without a lock, and stays until the domain is gone. Which lock guards a
// channel: to change its state takes the event lock of its domain and the channel's own lock; to read it takes either.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "models/base/types.h"
#include "models/xen/api/platform.h"
#include "models/xen/locks.h"
#include "models/xen/shared.h"
#include "models/xen/state/fields_of.h"

namespace xensim::xen {

class Domain;
struct Entry;     // hypervisor.h
class FifoState;  // evtchn_fifo.h
class PortOps;    // port_ops.h

inline constexpr uint32_t kDefaultPriority = 7;  // event_channel.h, EVTCHN_FIFO_PRIORITY_DEFAULT

enum class ChannelState : uint8_t { kFree, kReserved, kUnbound, kInterdomain, kPirq, kVirq, kIpi };

struct Channel {
  Channel(Platform& platform, DomId dom, uint32_t number)
      : lock(LockRank::kChannel, Site::kChannelLock, dom, number),
        notify_vcpu(platform, Site::kNotifyVcpu, dom, number),
        port(number) {}

  // Usable by a guest: bound, or waiting for the other side.
  bool usable() const { return state > ChannelState::kReserved; }

  Lock lock;
  // The vCPU that is notified; bind_vcpu changes it under the event lock alone, while senders read it.
  Shared<uint32_t> notify_vcpu;
  uint32_t port;
  ChannelState state = ChannelState::kFree;
  DomId remote_dom;                  // kUnbound: who may bind; kInterdomain: the peer
  uint32_t remote_port = 0;          // kInterdomain
  uint32_t irq = 0;                  // kVirq, kPirq: which
  std::atomic<bool> outside{false};  // events go to a backend outside (Platform::host_event), not to a vCPU
  Domain* remote = nullptr;          // kInterdomain: the peer; nullptr: it lies outside (a backend of the machine)

  // FIFO: the number of the queue it was put on last; the priority of its events; was it raised before it had a word?
  // The first and the last stay what they are when the channel is closed, as in Xen.
  SlimShared<uint32_t> last_queue;
  SlimShared<uint8_t> priority{kDefaultPriority};
  SlimShared<bool> held;
};

class EvtchnTable {
 public:
  // Xen makes room for channels by the page; a port is valid up to the last page made.
  static constexpr uint32_t kPortsPerBucket = 64;
  static constexpr uint32_t kMaxPorts = 1 << 17;  // event_channel.h, EVTCHN_FIFO_NR_CHANNELS

  // `max_port`: the highest number that may be taken. Port 0 is reserved; ports 1 to `reserved_ports` are bound to
  // peers outside (DomId 0).
  EvtchnTable(Platform& platform, DomId dom, uint32_t max_port, uint32_t reserved_ports);
  ~EvtchnTable();
  EvtchnTable(const EvtchnTable&) = delete;
  EvtchnTable& operator=(const EvtchnTable&) = delete;

  // How pending and masked events lie in guest memory: 2-level at first.
  const PortOps& ops() const { return *ops_.load(std::memory_order_acquire); }
  // The FIFO ABI's state while it is in use; else nullptr. Changed under the event lock: set before the ops that need
  // it, freed after them when no channel is open that might use it.
  std::unique_ptr<FifoState> fifo;
  void use_ops(const PortOps& ops) XS_REQUIRES(event_lock) { ops_.store(&ops, std::memory_order_release); }

  // Ports 1 to this were bound to the toolstack's ports of the same numbers at creation.
  const uint32_t toolstack_ports;
  // Guards allocation, binding and closing.
  Lock event_lock;
  // Ports below this have a Channel.
  Shared<uint32_t> valid_ports;

  // nullptr: no port with this number was ever made room for. A scheduling point.
  Channel* find(uint64_t port) { return port < valid_ports.load() ? &at(static_cast<uint32_t>(port)) : nullptr; }
  // `port` is known to be valid.
  Channel& at(uint32_t port) { return buckets_[port / kPortsPerBucket]->channels[port % kPortsPerBucket]; }
  const Channel& at(uint32_t port) const { return buckets_[port / kPortsPerBucket]->channels[port % kPortsPerBucket]; }

  // Takes the lowest free port, of `domain` whose table this is: its number, or -ENOSPC. The channel's state stays
  // kFree: the caller sets it under the channel's lock.
  int64_t allocate(Entry& entry, Domain& domain) XS_REQUIRES(event_lock);
  // Where the search for a free port begins; while nobody is inside.
  uint32_t first_free() const XS_NO_THREAD_SAFETY_ANALYSIS { return first_free_; }
  // A closed channel: free again, bound to vCPU 0.
  void release(Channel& channel) XS_REQUIRES(event_lock, channel.lock);

  // Ports that are taken now; and where a reset in progress goes on (0 = none is).
  uint32_t active XS_GUARDED_BY(event_lock) = 0;
  uint32_t next_reset XS_GUARDED_BY(event_lock) = 0;
  // Ports of bound PIRQs, by PIRQ; as long as the highest that ever was.
  std::vector<uint32_t> pirq_port XS_GUARDED_BY(event_lock);

 private:
  template <class T>
  friend void fields_of(StateArchive& ar, T& object);  // a saved state has them all

  struct Bucket {
    template <std::size_t... I>
    Bucket(Platform& platform, DomId dom, uint32_t first, std::index_sequence<I...>)
        : channels{{Channel(platform, dom, first + static_cast<uint32_t>(I))...}} {}
    std::array<Channel, kPortsPerBucket> channels;
  };

  void add_bucket() XS_REQUIRES(event_lock);

  Platform& platform_;
  const DomId dom_;
  const uint32_t max_port_;
  std::atomic<const PortOps*> ops_;
  // Every port below it is taken.
  uint32_t first_free_ XS_GUARDED_BY(event_lock) = 0;
  // As many as max_port_ needs.
  std::vector<std::unique_ptr<Bucket>> buckets_;
};

}  // namespace xensim::xen
