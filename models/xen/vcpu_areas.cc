#include "models/xen/vcpu_areas.h"

#include "models/xen/abi/compat.h"
#include "models/xen/arguments.h"
#include "models/xen/clock.h"
#include "models/xen/p2m.h"
#include "models/xen/shared_layout.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

Gva argument(const HypercallContext& context) { return {context.arg(2)}; }

// The address in a `struct vcpu_register_*_memory_area`; the 32-bit ABI reads its low half alone.
std::optional<Gva> read_area_address(HypercallContext& context) {
  if (context.mode64()) {
    const auto address = read_argument<uint64_t>(context, argument(context));
    return address ? std::optional(Gva{*address}) : std::nullopt;
  }
  const auto address = read_argument<uint32_t>(context, argument(context));
  return address ? std::optional(Gva{*address}) : std::nullopt;
}

// What to remember of an area of `bytes` at `address`. nullopt: -EFAULT.
std::optional<Gva> area_to_keep(HypercallContext& context, Gva address, size_t bytes) {
  if (!context.flavour().areas_by_physical_address) return address;
  if ((address.v & (kPageSize - 1)) + bytes > kPageSize) return std::nullopt;
  const Maybe<Gpa> physical = guest_physical(context, context.vcpu, address, Access::kWrite);
  return physical ? std::optional(Gva{physical->v}) : std::nullopt;
}

// The time of a vCPU that has just been told where to have it.
void show_time(HypercallContext& context, Vcpu& vcpu) {
  if (!context.flavour().time_area_waits_for_first_run || vcpu.initialised.load()) update_vcpu_time(context, vcpu);
}

// Is this a place for a vcpu_info? 0, or the errno.
int64_t check_offset(const HypercallContext& context, uint32_t offset) {
  const bool lax = context.flavour().vcpu_info_register_lax;
  if (offset > kPageSize - sizeof(vcpu_info)) return lax ? -XEN_EINVAL : -XEN_ENXIO;
  const uint32_t alignment = SharedLayout(context.domain).word_bytes();
  return offset % alignment != 0 && !lax ? -XEN_ENXIO : 0;
}

// Moves the vCPU's vcpu_info to `to`, with what it held; then marks all as pending, so that nothing is lost that came
// between. (Trait vcpu_info_register_silent: there are no more than the new place, and what the guest has there.)
void move_vcpu_info(HypercallContext& context, Vcpu& vcpu, Maddr to) {
  Platform& platform = context.platform();
  const Maddr from = vcpu.info_at.load();
  if (context.flavour().vcpu_info_register_silent) {
    vcpu.info_at.store(to);
    if (context.flavour().events_wait_for_vcpu_info) give_held_events(context, vcpu);
    return;
  }
  if (!vcpu.is_own_info(from)) {
    // Upcalls start out masked, as in the page that it had.
    std::array<std::byte, sizeof(vcpu_info)> fresh{};
    fresh[offsetof(vcpu_info, evtchn_upcall_mask)] = std::byte{1};
    platform.write(Site::kSharedInfo, to, fresh);
  } else {
    platform.copy(Site::kSharedInfo, to, from, sizeof(vcpu_info));
  }
  vcpu.info_at.store(to);
  const SharedLayout layout(context.domain);
  platform.store(Site::kPendingSel, layout.selector_word(to), layout.word_bytes(),
                 ~uint64_t{0} >> (64 - layout.word_bits()));
  mark_events_pending(context, vcpu);
}

int64_t map_vcpu_info(HypercallContext& context, Vcpu& vcpu, uint64_t gfn, uint32_t offset) {
  if (context.flavour().vcpu_info_register_busy && vcpu.info_registered.load()) return -XEN_EBUSY;
  if (const int64_t error = check_offset(context, offset); error != 0) return error;
  LockGuard guard(context, context.domain.lock);
  const bool lax = context.flavour().vcpu_info_register_lax;
  if (vcpu.info_registered.load() && !lax) return -XEN_EINVAL;
  if (!lax && &vcpu != &context.vcpu && vcpu.down.load() == 0) return -XEN_EINVAL;
  const P2mEntry page = context.domain.p2m().lookup(Gfn{gfn});
  if (!page.is_ram()) {
    if (lax) vcpu.info_at.store(context.domain.dummy_info());
    return lax ? 0 : -XEN_EINVAL;
  }
  vcpu.info_registered.store(true);
  move_vcpu_info(context, vcpu, Maddr{(page.frame.v << kPageShift) + offset});
  return 0;
}

}  // namespace

int64_t register_vcpu_info(HypercallContext& context, Vcpu& vcpu) {
  const auto args = read_argument<vcpu_register_vcpu_info>(context, argument(context));
  if (!args) return -XEN_EFAULT;
  const int64_t result = map_vcpu_info(context, vcpu, args->mfn, args->offset);
  show_time(context, vcpu);
  return result;
}

int64_t register_runstate_area(HypercallContext& context, Vcpu& vcpu) {
  const std::optional<Gva> address = read_area_address(context);
  const std::optional<Gva> area = address ? area_to_keep(context, *address, 1) : std::nullopt;
  if (!area) return -XEN_EFAULT;
  {
    LockGuard guard(context, vcpu.lock);
    vcpu.runstate_area = *area;
  }
  if (address->v == 0) return 0;
  Runstate runstate;
  if (&vcpu == &context.vcpu) {
    LockGuard guard(context, vcpu.lock);
    runstate = vcpu.runstate;
  } else {
    runstate = current_runstate(context, vcpu);
  }
  std::array<std::byte, 48> bytes;
  const size_t size = pack_runstate(shown_runstate(context.flavour(), runstate), !context.mode64(), bytes);
  // Xen does not look whether this first copy arrives.
  (void)copy_to_guest(context, context.vcpu, *address, std::span<const std::byte>(bytes).first(size), Site::kRunstate);
  return 0;
}

int64_t register_time_area(HypercallContext& context, Vcpu& vcpu) {
  const std::optional<Gva> address = read_area_address(context);
  const std::optional<Gva> area = address ? area_to_keep(context, *address, sizeof(vcpu_time_info)) : std::nullopt;
  if (!area) return -XEN_EFAULT;
  {
    LockGuard guard(context, vcpu.lock);
    vcpu.time_area = *area;
  }
  show_time(context, vcpu);
  return 0;
}

int64_t get_runstate_info(HypercallContext& context, Vcpu& vcpu) {
  std::array<std::byte, 48> bytes;
  const size_t size = pack_runstate(current_runstate(context, vcpu), !context.mode64(), bytes);
  const auto packed = std::span<const std::byte>(bytes).first(size);
  return copy_to_guest(context, context.vcpu, argument(context), packed);
}

}  // namespace xensim::xen
