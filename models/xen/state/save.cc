#include "models/xen/state/save.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/xen/domain_config.h"
#include "models/xen/inspector.h"
#include "models/xen/state/fields.h"
#include "models/xen/state/validate.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

constexpr uint64_t kMagic = 0x54534d49534e4558;  // "XENSIMST"
constexpr size_t kChecksumBytes = 8;
constexpr uint64_t kMostDomains = 64;
constexpr uint64_t kMostTimers = kMostDomains * kMaxVcpus * 5;

// FNV-1a.
constexpr uint64_t kHashStart = 0xcbf29ce484222325;
void mix(uint64_t& hash, uint64_t value) { hash = (hash ^ value) * 0x100000001b3; }

uint64_t checksum(std::span<const std::byte> bytes) {
  uint64_t hash = kHashStart;
  for (const std::byte each : bytes) mix(hash, static_cast<uint64_t>(each));
  return hash;
}

uint64_t hash_of(const Flavour& flavour) {
  uint64_t hash = kHashStart;
#define XS_TRAIT(name, ...) mix(hash, flavour.name ? 1 : 2);
#define XS_LATER_TRAIT XS_TRAIT
#include "models/xen/api/traits.def"
#undef XS_LATER_TRAIT
#undef XS_TRAIT
  return hash;
}

void header(StateArchive& ar, const Flavour& flavour) {
  uint64_t magic = kMagic;
  uint32_t version = kStateVersion;
  uint64_t traits = hash_of(flavour);
  ar("magic", magic);
  ar("version", version);
  if (magic != kMagic) return ar.fail("it is no saved state");
  if (version != kStateVersion) return ar.fail(fmt::format("it is of version {}, not {}", version, kStateVersion));
  ar("traits", traits);
  if (traits != hash_of(flavour)) ar.fail("it is of another flavour");
}

void timer(StateArchive& ar, std::pair<TimerId, VirtualNs>& timer) {
  ar.open("timer", 0);
  ar.one_of("kind", timer.first.kind, TimerKind::kWatchdog1);
  ar("dom", timer.first.vcpu.dom);
  ar("vcpu", timer.first.vcpu.vcpu);
  ar("deadline", timer.second);
  ar.close();
  if (!ar.loading() || !ar.ok()) return;
  const Domain* domain = core_reader(ar).find_domain(timer.first.vcpu.dom);
  if (domain == nullptr || domain->vcpu(timer.first.vcpu.vcpu.v) == nullptr) ar.fail("a timer of no vCPU");
}

void all_timers(StateArchive& ar, ArmedTimers& timers) {
  ar.each("timers", timers, kMostTimers, [&](auto& armed) { timer(ar, armed); });
}

void all_fields(StateArchive& ar, const Hypervisor& hv) {
  for (const auto& domain : hv.domains()) ar("domain", *domain);
}

// Could a Platform have such a domain?
void check_restored_config(StateArchive& ar, Hypervisor& hv, const DomainConfig& config) {
  constexpr uint32_t kMostFrames = 1 << 16;
  constexpr uint64_t kMostRam = uint64_t{1} << 46;
  if (const Status status = check_config(config); !status) return ar.fail(status.error().message);
  if (config.max_grant_frames > kMostFrames || config.max_maptrack_frames > kMostFrames) {
    return ar.fail("more frames of grants than there can be");
  }
  for (const RamRange& range : config.ram) {
    if (range.start.v > kMostRam || range.bytes > kMostRam || !hv.platform().holds(range.base, range.bytes)) {
      return ar.fail("RAM that the machine has not");
    }
  }
}

// Makes the domains, as yet empty.
void make_domains(StateArchive& ar, Hypervisor& hv) {
  const uint64_t count = ar.size("domains", 0, kMostDomains);
  for (uint64_t i = 0; i < count && ar.ok(); ++i) {
    DomainConfig config;
    ar("config", config);
    if (!ar.ok()) return;
    check_restored_config(ar, hv, config);
    if (!ar.ok()) return;
    config.restored = true;
    hv.add_domain(config);
  }
}

}  // namespace

std::vector<std::byte> save_state(Hypervisor& hv, const ArmedTimers& timers) {
  StateWriter ar;
  header(ar, hv.flavour());
  ar.size("domains", hv.domains().size(), kMostDomains);
  for (const auto& domain : hv.domains()) {
    DomainConfig config = domain->config;
    ar("config", config);
  }
  all_fields(ar, hv);
  ArmedTimers copy = timers;
  all_timers(ar, copy);
  ar.out.resize(ar.out.size() + kChecksumBytes);
  seal_state(ar.out);
  return std::move(ar.out);
}

void seal_state(std::span<std::byte> bytes) {
  if (bytes.size() < kChecksumBytes) return;
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  const uint64_t sum = checksum(body);
  for (unsigned i = 0; i < kChecksumBytes; ++i) bytes[body.size() + i] = static_cast<std::byte>(sum >> (8 * i));
}

Result<ArmedTimers> restore_state(Hypervisor& hv, std::span<const std::byte> bytes, VirtualNs now) {
  const auto refuse = [](const std::string& why) { return input_error("cannot restore this state: " + why); };
  if (bytes.size() < kChecksumBytes) return refuse("it is too short");
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  uint64_t stored = 0;
  for (unsigned i = 0; i < kChecksumBytes; ++i) stored |= static_cast<uint64_t>(bytes[body.size() + i]) << (8 * i);
  if (stored != checksum(body)) return refuse("its checksum is wrong");

  Hypervisor fresh(hv.platform(), hv.flavour());
  CoreReader ar(body, hv.platform(), [&fresh](DomId id) { return fresh.last_domain(id); });
  header(ar, hv.flavour());
  if (ar.ok()) make_domains(ar, fresh);
  if (ar.ok()) all_fields(ar, fresh);
  ArmedTimers timers;
  if (ar.ok()) all_timers(ar, timers);
  if (ar.ok() && ar.left() != 0) ar.fail("there is more than a state");
  if (ar.ok()) validate(ar, fresh, now);
  if (!ar.ok()) return refuse(ar.why());
  if (const auto broken = Inspector(fresh).broken_invariants(); !broken.empty()) return refuse(broken.front());
  hv.take_domains(fresh);
  return timers;
}

std::string dump_state(Hypervisor& hv) {
  StateDump ar;
  for (const auto& domain : hv.domains()) {
    DomainConfig config = domain->config;
    ar("config", config);
  }
  all_fields(ar, hv);
  return std::move(ar.text);
}

void announce_state(Hypervisor& hv, const ArmedTimers& timers) {
  Platform& platform = hv.platform();
  Entry entry(hv);
  for (const auto& domain : hv.domains()) {
    domain->p2m().announce();
    for (uint32_t number = 0; number < domain->vcpu_count(); ++number) {
      const Vcpu* const vcpu = domain->vcpu(number);
      XS_CHECK(vcpu != nullptr);  // or gcc 12 takes it for one that may be none
      platform.set_runnable(vcpu->ref(), vcpu->told_runnable.load());
    }
    announce_callback_level(entry, *domain);
  }
  for (const auto& [id, deadline] : timers) platform.arm_timer(id, deadline);
}

}  // namespace xensim::xen
