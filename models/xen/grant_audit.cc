#include "models/xen/grant_audit.h"

#include <fmt/format.h>

#include <map>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn_fifo.h"
#include "models/xen/grant_table.h"
#include "models/xen/p2m.h"

namespace xensim::xen {
namespace {

// What the handles of all domains say of the entries of one: pins and references, by grant reference.
struct Claims {
  std::map<uint32_t, uint32_t> pins;
  std::map<uint32_t, uint32_t> mappings;
};

uint32_t pins_of(uint32_t flags) {
  const bool readonly = (flags & GNTMAP_readonly) != 0;
  uint32_t pins = 0;
  if ((flags & GNTMAP_host_map) != 0) pins += readonly ? kPinHostRead : kPinHostWrite;
  if ((flags & GNTMAP_device_map) != 0) pins += readonly ? kPinDeviceRead : kPinDeviceWrite;
  return pins;
}

void collect(Domain& mapper, DomId granter, Claims& claims) {
  Maptrack& handles = mapper.grants().maptrack;
  for (uint32_t handle = 0; handle < handles.limit(); ++handle) {
    const MaptrackEntry& tracked = *handles.find(handle);
    const uint32_t flags = tracked.flags.load();
    if (flags == 0 || tracked.domid.load() != granter.v) continue;
    const uint32_t ref = tracked.ref.load();
    claims.pins[ref] += pins_of(flags);
    claims.mappings[ref] += (flags & GNTMAP_host_map) != 0 ? 1 : 0;
    claims.mappings[ref] += (flags & GNTMAP_device_map) != 0 ? 1 : 0;
  }
}

// The pages of its own that a domain's FIFO channels hold, by frame.
void add_fifo_pages(Domain& domain, std::map<uint64_t, uint32_t>& references) XS_NO_THREAD_SAFETY_ANALYSIS {
  FifoState* const fifo = domain.evtchn.fifo.get();
  if (fifo == nullptr) return;
  for (uint32_t vcpu = 0; vcpu < fifo->vcpu_count(); ++vcpu) {
    const Maddr block = fifo->control_block(vcpu).peek();
    if (block != kNoControlBlock) ++references[block.v >> kPageShift];
  }
  for (uint32_t page = 0; page < fifo->ports.peek() / kWordsPerPage; ++page) {
    ++references[fifo->pages[page].v >> kPageShift];
  }
}

// Those that its vCPUs' areas lie in (physical_areas.h).
void add_area_pages(Domain& domain, std::map<uint64_t, uint32_t>& references) XS_NO_THREAD_SAFETY_ANALYSIS {
  for (uint32_t number = 0; number < domain.vcpu_count(); ++number) {
    const Vcpu& vcpu = *domain.vcpu(number);
    for (const Maddr place : {vcpu.runstate_place, vcpu.time_place}) {
      if (place.v != 0) ++references[place.v >> kPageShift];
    }
  }
}

// `exact`: nobody may have mapped pages of others but through grants.
void audit(Domain& domain, Claims& claims, bool exact, std::vector<std::string>& broken) XS_NO_THREAD_SAFETY_ANALYSIS {
  std::map<uint64_t, uint32_t> references;
  add_fifo_pages(domain, references);
  add_area_pages(domain, references);
  domain.grants().for_each_pinned([&](uint32_t ref, const ActiveEntry& active) XS_NO_THREAD_SAFETY_ANALYSIS {
    const auto claimed = claims.pins.find(ref);
    const uint32_t expected = claimed == claims.pins.end() ? 0 : claimed->second;
    if (active.pin != expected) {
      broken.push_back(
          fmt::format("d{}: grant {} is pinned {:#x} times, mapped {:#x}", domain.id().v, ref, active.pin, expected));
    }
    references[active.frame.v] += claims.mappings[ref];
    claims.pins.erase(ref);
  });
  for (const auto& [ref, pins] : claims.pins) {
    broken.push_back(fmt::format("d{}: grant {} is mapped {:#x} and not pinned", domain.id().v, ref, pins));
  }
  uint64_t seen = 0;
  for (const auto& [frame, expected] : references) {
    const uint32_t counted = domain.p2m().references(Mfn{frame});
    seen += counted;
    if (counted == expected || (counted > expected && !exact)) continue;
    broken.push_back(
        fmt::format("d{}: page {:#x} has {} references, mapped {} times", domain.id().v, frame, counted, expected));
  }
  // On pages other than those.
  if (exact && domain.p2m().total_references() != seen) {
    broken.push_back(fmt::format("d{}: a page is referenced that nobody has mapped", domain.id().v));
  }
}

}  // namespace

void audit_grants(const Hypervisor& hv, std::vector<std::string>& broken) {
  bool exact = true;
  for (const auto& domain : hv.domains()) exact = exact && !domain->privileged();
  for (const auto& domain : hv.domains()) {
    Claims claims;
    // An id that is used anew belongs to the last domain that has it.
    if (hv.last_domain(domain->id()) == domain.get()) {
      for (const auto& mapper : hv.domains()) collect(*mapper, domain->id(), claims);
    }
    domain->grants().check_invariants(broken);
    audit(*domain, claims, exact, broken);
  }
}

}  // namespace xensim::xen
