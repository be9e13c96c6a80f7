#include "models/xen/domain_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/xen/abi/public.h"
#include "models/xen/domain.h"

namespace xensim::xen {
namespace {

// Toolstack ports come from the first bucket of a table.
constexpr uint32_t kMaxToolstackPorts = 16;

}  // namespace

Status check_config(const DomainConfig& config) {
  if (config.vcpus == 0 || config.vcpus > kMaxVcpus) {
    return input_error(
        fmt::format("domain {}: vcpus is {}, allowed are 1 to {}", config.id.v, config.vcpus, kMaxVcpus));
  }
  if (config.id.v >= DOMID_FIRST_RESERVED) {
    return input_error(fmt::format("domain {}: ids from {} on are reserved", config.id.v, DOMID_FIRST_RESERVED));
  }
  if (config.reserved_ports > kMaxToolstackPorts || config.reserved_ports > config.max_event_channels) {
    return input_error(fmt::format("domain {}: reserved_ports is {}, allowed are 0 to {}", config.id.v,
                                   config.reserved_ports, std::min(kMaxToolstackPorts, config.max_event_channels)));
  }
  if (config.max_grant_frames == 0) {
    return input_error(fmt::format("domain {}: max_grant_frames is 0, at least 1 is needed", config.id.v));
  }
  if (config.pirqs > PirqTable::kMax) {
    return input_error(
        fmt::format("domain {}: pirqs is {}, allowed are 0 to {}", config.id.v, config.pirqs, PirqTable::kMax));
  }
  for (const RamRange& range : config.ram) {
    if (((range.start.v | range.bytes | range.base.v) & (kPageSize - 1)) != 0) {
      return input_error(fmt::format("domain {}: RAM at {:#x} is not page aligned", config.id.v, range.start.v));
    }
  }
  return {};
}

}  // namespace xensim::xen
