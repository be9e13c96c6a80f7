// The 2-level event channel ABI: a pending and a mask bit a port in shared_info, a selector bit a word of those in
// vcpu_info.
//
// The order of the accesses is the ABI: a guest's handler clears upcall_pending, takes the selector, then looks at the
// pending bits, and never misses an event as long as the hypervisor goes the other way round.
#include "models/xen/poll.h"
#include "models/xen/port_ops.h"
#include "models/xen/shared_layout.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

// Gives the old value of the bit.
bool set_bit(Platform& platform, Site site, const GuestBit& bit) {
  return (platform.rmw(site, bit.word, bit.bytes, Rmw::kOr, bit.mask) & bit.mask) != 0;
}

bool clear_bit(Platform& platform, Site site, const GuestBit& bit) {
  return (platform.rmw(site, bit.word, bit.bytes, Rmw::kAnd, ~bit.mask) & bit.mask) != 0;
}

bool test_bit(Platform& platform, Site site, const GuestBit& bit) {
  return (platform.load(site, bit.word, bit.bytes) & bit.mask) != 0;
}

// The last steps of set_pending and unmask: the selector, then the upcall.
void select_and_notify(Entry& entry, const SharedLayout& layout, Vcpu& vcpu, uint32_t port) {
  const Maddr info = vcpu.info_at.load();
  const GuestBit selector = layout.selector(info, port);
  if (entry.flavour().events_wait_for_vcpu_info && !vcpu.is_own_info(info)) {
    hold_event(entry, vcpu, selector.mask);
    return;
  }
  if (!set_bit(entry.platform(), Site::kPendingSel, selector)) mark_events_pending(entry, vcpu);
}

bool peek_bit(Platform& platform, const GuestBit& bit) { return (platform.peek(bit.word, bit.bytes) & bit.mask) != 0; }

class TwoLevelPortOps final : public PortOps {
 public:
  void bound(Entry&, Domain&, Channel&) const override {}

  void set_pending(Entry& entry, Vcpu& vcpu, Channel& channel) const override {
    Platform& platform = entry.platform();
    const SharedLayout layout(vcpu.domain());
    if (entry.flavour().selector_first) select_and_notify(entry, layout, vcpu, channel.port);
    bool masked =
        entry.flavour().mask_looked_at_first && test_bit(platform, Site::kEvtchnMask, layout.masked(channel.port));
    if (set_bit(platform, Site::kEvtchnPending, layout.pending(channel.port))) return;
    if (!entry.flavour().mask_looked_at_first)
      masked = test_bit(platform, Site::kEvtchnMask, layout.masked(channel.port));
    if (!masked && !entry.flavour().selector_first) select_and_notify(entry, layout, vcpu, channel.port);
    check_pollers(entry, vcpu, channel.port, masked);
  }

  void clear_pending(Entry& entry, Domain& domain, Channel& channel) const override {
    clear_bit(entry.platform(), Site::kEvtchnPending, SharedLayout(domain).pending(channel.port));
  }

  void unmask(Entry& entry, Domain& domain, Channel& channel) const override {
    Platform& platform = entry.platform();
    const SharedLayout layout(domain);
    Vcpu* vcpu = domain.vcpu(entry.flavour().b_x16_unmask_first_vcpu ? 0 : channel.notify_vcpu.load());
    XS_CHECK(vcpu != nullptr);
    if (clear_bit(platform, Site::kEvtchnMask, layout.masked(channel.port)) &&
        test_bit(platform, Site::kEvtchnPending, layout.pending(channel.port))) {
      select_and_notify(entry, layout, *vcpu, channel.port);
    }
  }

  void announce(Entry& entry, Vcpu& vcpu, Channel& channel) const override {
    select_and_notify(entry, SharedLayout(vcpu.domain()), vcpu, channel.port);
  }

  bool is_pending(Entry& entry, Domain& domain, Channel& channel) const override {
    const SharedLayout layout(domain);
    // A port of the wider layout may be open when the domain turns to the narrow one.
    return channel.port < layout.ports() &&
           test_bit(entry.platform(), Site::kEvtchnPending, layout.pending(channel.port));
  }

  bool is_busy(Entry&, Domain&, Channel&) const override { return false; }
  int64_t set_priority(Entry&, Domain&, Channel&, uint32_t) const override { return -XEN_ENOSYS; }
  uint32_t port_limit(const Domain& domain) const override { return SharedLayout(domain).ports(); }

  PortBits peek(Platform& platform, const Domain& domain, const Channel& channel) const override {
    const SharedLayout layout(domain);
    if (channel.port >= layout.ports()) return {};
    const Vcpu& vcpu = *domain.vcpu(channel.notify_vcpu.peek());
    const Maddr info = vcpu.info_at.peek();
    const GuestBit selector = layout.selector(info, channel.port);
    const bool held = !vcpu.is_own_info(info) && (vcpu.held_selector.peek() & selector.mask) != 0;
    return {peek_bit(platform, layout.pending(channel.port)), peek_bit(platform, layout.masked(channel.port)),
            held || (platform.peek(upcall_pending_at(info), 1) != 0 && peek_bit(platform, selector))};
  }
};

}  // namespace

const PortOps& two_level_port_ops() {
  static const TwoLevelPortOps ops;
  return ops;
}

}  // namespace xensim::xen
