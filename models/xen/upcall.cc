#include "models/xen/upcall.h"

#include "models/xen/abi/public.h"
#include "models/xen/callback_via.h"
#include "models/xen/poll.h"
#include "models/xen/shared_layout.h"

namespace xensim::xen {
namespace {

constexpr unsigned kTypeShift = 56;
constexpr uint8_t kLowestVector = 0x10;

bool upcall_is_pending(Entry& entry, Vcpu& vcpu) {
  const Maddr info = vcpu.info_at.load();
  // There is no vcpu_info that could say so.
  if (entry.flavour().vcpu_info_register_lax && !vcpu.is_own_info(info)) return false;
  return entry.platform().load(Site::kUpcallPending, upcall_pending_at(info), 1) != 0;
}

// By the vCPU's own vector, if its local APIC takes it.
void notify_by_lapic(Entry& entry, Vcpu& vcpu, uint8_t vector) {
  if (entry.platform().lapic_enabled(vcpu.ref())) {
    entry.platform().assert_lapic_vector(vcpu.ref(), vector);
    kick(entry, vcpu);
  } else if (has_vector_callback(vcpu.domain())) {
    // Nobody is told, but the domain's vector is looked for each time that a vCPU enters the guest.
    entry.platform().kick(vcpu.ref());
  }
}

// Tells the vCPU that its upcall is pending, by the way it has chosen.
void notify(Entry& entry, Vcpu& vcpu) {
  Domain& domain = vcpu.domain();
  if (const uint8_t vector = vcpu.upcall_vector.load(std::memory_order_relaxed); vector != 0) {
    notify_by_lapic(entry, vcpu, vector);
  } else if (has_vector_callback(domain)) {
    kick(entry, vcpu);
  } else if (vcpu.id().v == 0) {
    update_callback_level(entry, domain);
  }
}

}  // namespace

bool has_vector_callback(Domain& domain) {
  return domain.callback_via.load() >> kTypeShift == HVM_PARAM_CALLBACK_TYPE_VECTOR;
}

void mark_events_pending(Entry& entry, Vcpu& vcpu) {
  const Maddr at = upcall_pending_at(vcpu.info_at.load());
  if ((entry.platform().rmw(Site::kUpcallPending, at, 1, Rmw::kOr, 1) & 1) == 0) notify(entry, vcpu);
}

void unmask_upcalls(Entry& entry, Vcpu& vcpu) {
  entry.platform().store(Site::kUpcallMask, upcall_mask_at(vcpu.info_at.load()), 1, 0);
}

void hold_event(Entry& entry, Vcpu& vcpu, uint64_t selector_bits) {
  const bool known = (vcpu.held_selector.fetch_or(selector_bits) & selector_bits) != 0;
  // It may have got a vcpu_info in the meantime, and have found nothing kept.
  give_held_events(entry, vcpu);
  if (!known) kick(entry, vcpu);
}

void give_held_events(Entry& entry, Vcpu& vcpu) {
  const Maddr info = vcpu.info_at.load();
  if (!vcpu.is_own_info(info)) return;
  const uint64_t held = vcpu.held_selector.exchange(0);
  if (held == 0) return;
  const SharedLayout layout(vcpu.domain());
  entry.platform().rmw(Site::kPendingSel, layout.selector_word(info), layout.word_bytes(), Rmw::kOr, held);
  mark_events_pending(entry, vcpu);
}

void set_callback_via(Entry& entry, Domain& domain, uint64_t value) {
  const CallbackVia after = decode_via(entry.flavour(), value);
  if (after.type != CallbackVia::Type::kVector && !domain.has_pic && !entry.flavour().pic_for_all) return;
  const CallbackVia before = decode_via(entry.flavour(), domain.callback_via.exchange(value));
  {
    LockGuard guard(entry, domain.callback_lock);
    if (domain.callback_level.load()) {
      if (before.gsi != 0) entry.platform().set_gsi(domain.id(), before.gsi, false);
      if (after.gsi != 0) entry.platform().set_gsi(domain.id(), after.gsi, true);
    }
  }
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    Vcpu& vcpu = *domain.vcpu(number);
    if (vcpu.down.load() != 0) continue;
    const bool by_lapic = vcpu.upcall_vector.load(std::memory_order_relaxed) != 0;
    if (!by_lapic || !entry.flavour().upcall_vector_silent) notify(entry, vcpu);
  }
}

void update_callback_level(Entry& entry, Domain& domain) {
  if (!domain.has_pic && !entry.flavour().pic_for_all) return;
  LockGuard guard(entry, domain.callback_lock);
  const bool level = upcall_is_pending(entry, *domain.vcpu(0));
  if (domain.callback_level.exchange(level) == level) return;
  const CallbackVia via = decode_via(entry.flavour(), domain.callback_via.load());
  if (via.gsi != 0) entry.platform().set_gsi(domain.id(), via.gsi, level);
}

void announce_callback_level(Entry& entry, Domain& domain) {
  const CallbackVia via = decode_via(entry.flavour(), domain.callback_via.load());
  LockGuard guard(entry, domain.callback_lock);
  if (via.gsi != 0) entry.platform().set_gsi(domain.id(), via.gsi, domain.callback_level);
}

int64_t set_upcall_vector(Entry& entry, Domain& domain, uint32_t number, uint8_t vector) {
  if (vector < kLowestVector) return -XEN_EINVAL;
  Vcpu* vcpu = domain.vcpu(number);
  if (vcpu == nullptr) return entry.flavour().upcall_vector_bad_vcpu_einval ? -XEN_EINVAL : -XEN_ENOENT;
  vcpu->upcall_vector.store(vector, std::memory_order_relaxed);
  // A spurious upcall: an event that came before may have been announced the old way.
  if (!entry.flavour().upcall_vector_silent) notify(entry, *vcpu);
  return 0;
}

std::optional<PendingUpcall> pending_upcall(Entry& entry, Vcpu& vcpu) {
  const CallbackVia via = decode_via(entry.flavour(), vcpu.domain().callback_via.load());
  // evtchn_upcall_mask plays no part for an HVM guest.
  if (via.type != CallbackVia::Type::kVector || !upcall_is_pending(entry, vcpu)) return std::nullopt;
  return PendingUpcall{via.vector};
}

void reassert_after_lapic_enabled(Entry& entry, Vcpu& vcpu) {
  if (vcpu.upcall_vector.load(std::memory_order_relaxed) == 0 || !upcall_is_pending(entry, vcpu)) return;
  notify(entry, vcpu);
}

}  // namespace xensim::xen
