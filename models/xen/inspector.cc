#include "models/xen/inspector.h"

#include <fmt/format.h>

#include <utility>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn.h"
#include "models/xen/grant_audit.h"
#include "models/xen/port_ops.h"
#include "models/xen/shared_layout.h"

namespace xensim::xen {
namespace {

PortBits peek_port(Platform& platform, const Domain& domain, uint32_t port) {
  return domain.evtchn.ops().peek(platform, domain, domain.evtchn.at(port));
}

bool is_asleep(const Vcpu& vcpu) { return vcpu.blocked.peek() != 0 && vcpu.down.peek() == 0; }
bool is_polling(const Domain& domain, const Vcpu& vcpu) {
  return ((domain.poll_mask[vcpu.id().v / 64].peek() >> (vcpu.id().v % 64)) & 1) != 0;
}

// Will nobody look at what the sleeping `vcpu` waits for, neither another vCPU nor itself when its poll times out?
bool sleeps_for_good(const Domain& domain, const Vcpu& sleeper) {
  if (is_polling(domain, sleeper) && sleeper.poll_timer_armed) return false;
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    const Vcpu& vcpu = *domain.vcpu(number);
    if (vcpu.blocked.peek() == 0 && vcpu.down.peek() == 0) return false;
  }
  return true;
}

void find_unsignalled(Platform& platform, Domain& domain, std::vector<LostEvent>& lost) {
  for (uint32_t port = 0; port < domain.evtchn.valid_ports.peek(); ++port) {
    const Channel& channel = domain.evtchn.at(port);
    if (!channel.usable()) continue;
    const PortBits bits = peek_port(platform, domain, port);
    if (!bits.pending || bits.masked) continue;
    const Vcpu& vcpu = *domain.vcpu(channel.notify_vcpu.peek());
    if (!is_asleep(vcpu) || bits.announced) continue;
    lost.push_back({vcpu.ref(), Port{port}, "pending and unmasked, but its sleeping vCPU was never told",
                    sleeps_for_good(domain, vcpu)});
  }
}

void find_pollers(Platform& platform, const Flavour& flavour, Domain& domain, std::vector<LostEvent>& lost) {
  const bool forgets = flavour.poll_wakes_bound_vcpu_only || flavour.poll_needs_vector_callback;
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    const Vcpu& vcpu = *domain.vcpu(number);
    if (!is_asleep(vcpu) || !is_polling(domain, vcpu)) continue;
    for (const uint32_t port : vcpu.polled_ports) {
      if (port >= domain.evtchn.valid_ports.peek() || !domain.evtchn.at(port).usable()) continue;
      if (!peek_port(platform, domain, port).pending) continue;
      lost.push_back({vcpu.ref(), Port{port}, "pending, but the vCPU that polls it sleeps on",
                      !forgets && sleeps_for_good(domain, vcpu)});
      break;
    }
  }
}

const char* state_name(ChannelState state) {
  switch (state) {
    case ChannelState::kFree: return "free";
    case ChannelState::kReserved: return "reserved";
    case ChannelState::kUnbound: return "unbound";
    case ChannelState::kInterdomain: return "interdomain";
    case ChannelState::kPirq: return "pirq";
    case ChannelState::kVirq: return "virq";
    case ChannelState::kIpi: return "ipi";
  }
  return "?";
}

// What `channel` is bound to, after its state's name.
std::string binding(const Channel& channel) {
  switch (channel.state) {
    case ChannelState::kUnbound: return fmt::format(" for domain {}", channel.remote_dom.v);
    case ChannelState::kInterdomain:
      return fmt::format(" with domain {} port {}", channel.remote_dom.v, channel.remote_port);
    case ChannelState::kPirq:
    case ChannelState::kVirq: return fmt::format(" {}", channel.irq);
    default: return "";
  }
}

std::optional<std::string> broken_channel(Domain& domain, const Channel& channel) {
  if (channel.usable() && domain.vcpu(channel.notify_vcpu.peek()) == nullptr)
    return "bound to a vCPU that does not exist";
  if (channel.state == ChannelState::kVirq) {
    const uint32_t owner = virq_is_global(channel.irq) ? 0 : channel.notify_vcpu.peek();
    if (domain.vcpu(owner)->virq_port[channel.irq].load() != channel.port) return "VIRQ that its vCPU does not know of";
  }
  if (channel.state == ChannelState::kInterdomain && channel.remote != nullptr) {
    const Channel& peer = channel.remote->evtchn.at(channel.remote_port);
    if (peer.state != ChannelState::kInterdomain || peer.remote != &domain || peer.remote_port != channel.port) {
      return "its peer does not know of it";
    }
  }
  return std::nullopt;
}

}  // namespace

std::vector<LostEvent> Inspector::lost_events() const {
  std::vector<LostEvent> lost;
  for (const auto& domain : hv_.domains()) {
    find_unsignalled(hv_.platform(), *domain, lost);
    find_pollers(hv_.platform(), hv_.flavour(), *domain, lost);
  }
  return lost;
}

std::vector<std::string> Inspector::broken_invariants() const XS_NO_THREAD_SAFETY_ANALYSIS {
  if (std::exchange(times_restored_, hv_.times_restored()) != hv_.times_restored()) clocks_ = {};
  std::vector<std::string> broken;
  for (const auto& domain : hv_.domains()) {
    uint32_t open = 0;
    for (uint32_t port = 0; port < domain->evtchn.valid_ports.peek(); ++port) {
      const Channel& channel = domain->evtchn.at(port);
      if (channel.usable()) ++open;
      if (const auto why = broken_channel(*domain, channel)) {
        broken.push_back(fmt::format("domain {} port {}: {}", domain->id().v, port, *why));
      }
    }
    clocks_.check(*domain, broken);
    if (open != domain->evtchn.active) {
      broken.push_back(
          fmt::format("domain {}: {} ports are open, {} counted", domain->id().v, open, domain->evtchn.active));
    }
  }
  audit_grants(hv_, broken);
  return broken;
}

std::string Inspector::describe_port(DomId dom, Port port) const {
  const Domain* domain = hv_.find_domain(dom);
  if (domain == nullptr) return fmt::format("domain {} does not exist", dom.v);
  if (port.v >= domain->evtchn.valid_ports.peek()) return fmt::format("port {}: never allocated", port.v);
  const Channel& channel = domain->evtchn.at(port.v);
  const PortBits bits = peek_port(hv_.platform(), *domain, port.v);
  return fmt::format("port {}: {}{}, vCPU {}, {}, {}", port.v, state_name(channel.state), binding(channel),
                     channel.notify_vcpu.peek(), bits.pending ? "pending" : "not pending",
                     bits.masked ? "masked" : "unmasked");
}

bool Inspector::upcall_pending(VcpuRef ref) const {
  Domain* domain = hv_.find_domain(ref.dom);
  const Vcpu* vcpu = domain != nullptr ? domain->vcpu(ref.vcpu.v) : nullptr;
  if (vcpu == nullptr || domain->callback_via.peek() >> 56 != HVM_PARAM_CALLBACK_TYPE_VECTOR) return false;
  const Maddr info = vcpu->info_at.peek();
  return vcpu->is_own_info(info) && hv_.platform().peek(upcall_pending_at(info), 1) != 0;
}

bool Inspector::upcall_taken(DomId dom) const {
  Domain* domain = hv_.find_domain(dom);
  if (domain == nullptr || !domain->callback_level.load(std::memory_order_relaxed)) return false;
  return hv_.platform().peek(upcall_pending_at(domain->vcpu(0)->info_at.peek()), 1) == 0;
}

bool Inspector::halt_unmasks(VcpuRef ref) const {
  if (hv_.flavour().halt_keeps_mask) return false;
  Domain* domain = hv_.find_domain(ref.dom);
  const Vcpu* vcpu = domain != nullptr ? domain->vcpu(ref.vcpu.v) : nullptr;
  if (vcpu == nullptr) return false;
  const Maddr info = vcpu->info_at.peek();
  return vcpu->is_own_info(info) && hv_.platform().peek(upcall_mask_at(info), 1) != 0;
}

std::string Inspector::describe_vcpu(VcpuRef ref) const {
  Domain* domain = hv_.find_domain(ref.dom);
  const Vcpu* vcpu = domain != nullptr ? domain->vcpu(ref.vcpu.v) : nullptr;
  if (vcpu == nullptr) return fmt::format("d{}v{} does not exist", ref.dom.v, ref.vcpu.v);
  const Maddr info = vcpu->info_at.peek();
  Platform& platform = hv_.platform();
  const SharedLayout layout(*domain);
  std::string text = fmt::format("d{}v{}: {}, upcall {}, selector {:#x}", ref.dom.v, ref.vcpu.v,
                                 vcpu->down.peek() != 0      ? "down"
                                 : vcpu->blocked.peek() != 0 ? "blocked"
                                                             : "running",
                                 platform.peek(upcall_pending_at(info), 1) != 0 ? "pending" : "not pending",
                                 platform.peek(layout.selector_word(info), layout.word_bytes()));
  if (is_polling(*domain, *vcpu)) text += fmt::format(", polls {} ports", vcpu->polled_ports.size());
  return text;
}

}  // namespace xensim::xen
