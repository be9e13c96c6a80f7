// A guest with FIFO event channels: where its control blocks and event words lie, and the guest's side of the protocol.
#pragma once

#include <vector>

#include "tests/unit/models/xen/guest.h"

namespace xensim {

class FifoGuest : public Guest {
 public:
  static constexpr uint64_t kControlGfn = 0x20;  // vCPU n's control block: at its start, 0x100 bytes a vCPU
  static constexpr uint64_t kArrayGfn = 0x30;    // pages of the event array, in order

  static constexpr uint32_t kPending = 1u << EVTCHN_FIFO_PENDING;
  static constexpr uint32_t kMasked = 1u << EVTCHN_FIFO_MASKED;
  static constexpr uint32_t kLinked = 1u << EVTCHN_FIFO_LINKED;
  static constexpr uint32_t kBusy = 1u << EVTCHN_FIFO_BUSY;

  explicit FifoGuest(uint32_t vcpus = 2, uint32_t max_port = 1023, bool wide = true)
      : Guest(vcpus, {}, max_port), vcpus_(vcpus) {
    mode64 = wide;
    via_vector(0xf3);
  }
  // Every vCPU with a control block, and one page of event words.
  void start() {
    for (uint32_t number = 0; number < vcpus_; ++number) XS_CHECK(init_control(number) == 0);
    XS_CHECK(expand() == 0);
  }

  int64_t init_control(uint32_t number) { return init_control(number, kControlGfn, number * 0x100); }
  int64_t init_control(uint32_t number, uint64_t gfn, uint32_t offset) {
    evtchn_init_control args{.control_gfn = gfn, .offset = offset, .vcpu = number, .link_bits = 0, ._pad = {}};
    const int64_t result = event_op(EVTCHNOP_init_control, args);
    link_bits = args.link_bits;
    return result;
  }
  int64_t expand() { return expand(kArrayGfn + pages_++); }
  int64_t expand(uint64_t gfn) {
    evtchn_expand_array args{gfn};
    return event_op(EVTCHNOP_expand_array, args);
  }
  int64_t set_priority(uint32_t port, uint32_t priority) {
    evtchn_set_priority args{.port = port, .priority = priority};
    return event_op(EVTCHNOP_set_priority, args);
  }
  int64_t bind_vcpu(uint32_t port, uint32_t number) {
    evtchn_bind_vcpu args{.port = port, .vcpu = number};
    return event_op(EVTCHNOP_bind_vcpu, args);
  }
  int64_t reset(uint32_t op = EVTCHNOP_reset) {
    evtchn_reset args{DOMID_SELF};
    return event_op(op, args);
  }
  // A loopback channel whose end `from` raises the end it gives, of vCPU 0; pending events are taken off.
  uint32_t loopback(uint32_t& from) {
    const uint32_t target = alloc_unbound(kDom);
    evtchn_bind_interdomain args{.remote_dom = DOMID_SELF, .remote_port = target, .local_port = 0};
    XS_CHECK(event_op(EVTCHNOP_bind_interdomain, args) == 0);
    from = args.local_port;
    return target;
  }

  uint64_t word_at(uint32_t port) const { return (kArrayGfn << kPageShift) + port * 4; }
  uint32_t word(uint32_t port) { return platform.peek_as<uint32_t>(word_at(port)); }
  void set_word(uint32_t port, uint32_t value) { platform.poke(word_at(port), value); }
  uint64_t block_at(uint32_t number) const { return (kControlGfn << kPageShift) + number * 0x100; }
  evtchn_fifo_control_block block(uint32_t number) {
    return platform.peek_as<evtchn_fifo_control_block>(block_at(number));
  }
  bool upcall(uint32_t number) { return shared().vcpu_info[number].evtchn_upcall_pending != 0; }

  // What a guest's handler does: takes the upcall and the ready bits, then empties each queue, highest priority first.
  // Gives the ports of events that were pending and not masked.
  std::vector<uint32_t> handle(uint32_t number) {
    platform.poke<uint8_t>(kSharedInfo + number * sizeof(vcpu_info), 0);
    uint32_t ready = block(number).ready;
    platform.poke<uint32_t>(block_at(number), 0);
    std::vector<uint32_t> ports;
    for (uint32_t priority = 0; priority < EVTCHN_FIFO_MAX_QUEUES; ++priority) {
      if ((ready >> priority & 1) != 0) take_queue(block(number).head[priority], ports);
    }
    return ports;
  }

  uint32_t link_bits = 0;

 private:
  void take_queue(uint32_t port, std::vector<uint32_t>& ports) {
    for (uint32_t next = 0; port != 0; port = next) {
      const uint32_t seen = word(port);
      next = seen & EVTCHN_FIFO_LINK_MASK;
      set_word(port, seen & ~(kLinked | EVTCHN_FIFO_LINK_MASK));
      if ((seen & kPending) == 0 || (seen & kMasked) != 0) continue;
      set_word(port, word(port) & ~kPending);
      ports.push_back(port);
    }
  }

  const uint32_t vcpus_;
  uint32_t pages_ = 0;
};

}  // namespace xensim
