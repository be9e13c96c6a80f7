#include "models/xen/physical_areas.h"

#include <array>
#include <optional>
#include <utility>

#include "models/xen/abi/compat.h"
#include "models/xen/arguments.h"
#include "models/xen/clock.h"
#include "models/xen/p2m.h"
#include "models/xen/shared_layout.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kNowhere = ~uint64_t{0};  // takes a registration back

struct Place {
  int64_t error = 0;
  Maddr at;  // 0 = nowhere
};

// The place of `bytes` at the address that the argument has; its page has a reference then.
Place find_place(HypercallContext& context, size_t bytes) {
  const auto address = read_argument<uint64_t>(context, Gva{context.arg(2)});
  if (!address) return {-XEN_EFAULT, {}};
  if (*address == kNowhere) return {};
  const uint64_t offset = *address & (kPageSize - 1);
  if (offset + bytes > kPageSize) return {-XEN_ENXIO, {}};
  if (offset % SharedLayout(context.domain).word_bytes() != 0) return {-XEN_ENXIO, {}};
  const Maybe<Mfn> page = context.domain.p2m().acquire_page(Gfn{*address >> kPageShift});
  if (!page) return {-XEN_EINVAL, {}};
  return {0, Maddr{(page->v << kPageShift) + offset}};
}

void let_go(Domain& domain, Maddr place) {
  if (place.v != 0) domain.p2m().drop_reference(Mfn{place.v >> kPageShift});
}

// Another vCPU's is first written when its state next changes.
void fill_runstate_place(HypercallContext& context, Vcpu& vcpu, Maddr place) {
  if (&vcpu != &context.vcpu) return;
  Runstate runstate;
  {
    LockGuard guard(context, vcpu.lock);
    runstate = vcpu.runstate;
  }
  std::array<std::byte, 48> bytes;
  const size_t size = pack_runstate(runstate, !context.mode64(), bytes);
  context.platform().write(Site::kRunstate, place, std::span<const std::byte>(bytes).first(size));
}

}  // namespace

int64_t register_runstate_place(HypercallContext& context, Vcpu& vcpu) {
  const size_t bytes = context.mode64() ? sizeof(::vcpu_runstate_info) : sizeof(abi32::vcpu_runstate_info);
  const Place place = find_place(context, bytes);
  if (place.error != 0) return place.error;
  if (place.at.v != 0) fill_runstate_place(context, vcpu, place.at);
  Maddr before;
  {
    LockGuard guard(context, vcpu.lock);
    before = std::exchange(vcpu.runstate_place, place.at);
    vcpu.runstate_place_narrow = !context.mode64();
  }
  let_go(context.domain, before);
  return 0;
}

int64_t register_time_place(HypercallContext& context, Vcpu& vcpu) {
  const Place place = find_place(context, sizeof(vcpu_time_info));
  if (place.error != 0) return place.error;
  if (place.at.v != 0) fill_time_place(context, vcpu, place.at);
  Maddr before;
  {
    LockGuard guard(context, vcpu.lock);
    before = std::exchange(vcpu.time_place, place.at);
  }
  let_go(context.domain, before);
  return 0;
}

void release_places(Entry& entry, Vcpu& vcpu) {
  Maddr runstate, time;
  {
    LockGuard guard(entry, vcpu.lock);
    runstate = std::exchange(vcpu.runstate_place, Maddr{});
    time = std::exchange(vcpu.time_place, Maddr{});
  }
  let_go(vcpu.domain(), runstate);
  let_go(vcpu.domain(), time);
}

}  // namespace xensim::xen
