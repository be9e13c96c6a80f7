#include "tests/unit/models/xen/hypercall_storm.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>

#include "models/xen/abi/decode.h"
#include "models/xen/abi/public.h"
#include "models/xen/abi/table.h"
#include "models/xen/api/core.h"
#include "models/xen/testing/plain_platform.h"
#include "tests/unit/models/xen/fetch_watch.h"

namespace xensim {
namespace {

constexpr uint64_t kPages = 64;  // of each domain
constexpr uint64_t kRam = kPages * kPageSize;
// In the order of their RAM; the last one is the host's.
constexpr std::array kDomains = {DomId{1}, DomId{2}, DomId{0}};
constexpr size_t kHost = 2;
constexpr uint32_t kVcpus = 2;
constexpr uint64_t kExtraPages = 1280;     // grant frames, shared_info, and all that reservations may add
constexpr uint64_t kLongestLife = 20'000;  // calls of one machine
constexpr uint64_t kPlaces = kRam / 2;     // tidy guests keep their structs above it
constexpr size_t kMostLines = 8;           // of each kind in a report

// Follows what a machine does for the core: timers, pages, and which domains have ended.
class StormPlatform final : public PlainPlatform {
 public:
  explicit StormPlatform(const StormSource& source)
      : PlainPlatform(kRam * kDomains.size(), kExtraPages), source_(source) {}

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override {
    meddle(site, at);
    return PlainPlatform::load(site, at, bytes);
  }
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override {
    meddle(site, at);
    return PlainPlatform::rmw(site, at, bytes, op, operand, expected);
  }
  Maybe<Gpa> translate(VcpuRef, Gva gva, Access) override {
    if (gva.v >= kRam) return std::nullopt;
    return Gpa{gva.v};
  }
  Mfn allocate_page(DomId owner) override {
    const Mfn page = PlainPlatform::allocate_page(owner);
    pages[owner].push_back(page);
    return page;
  }
  void arm_timer(xen::TimerId id, VirtualNs deadline) override { timers[id] = deadline; }
  void cancel_timer(xen::TimerId id) override { timers.erase(id); }
  void shutdown(DomId dom, xen::ShutdownReason) override { ended[dom] = true; }

  std::map<xen::TimerId, VirtualNs> timers;
  std::map<DomId, std::vector<Mfn>> pages;  // that the core asked for, by domain
  std::map<DomId, bool> ended;

 private:
  // Another vCPU writes where the core is about to look.
  void meddle(xen::Site site, Maddr at) {
    if (site != xen::Site::kGrantEntry && site != xen::Site::kGrantFrame && site != xen::Site::kGrantStatus) return;
    if (source_.next() % 16 != 0) return;
    *(host(at)) = static_cast<std::byte>(source_.next());
  }

  const StormSource& source_;
};

// One machine with its guests, from its making until it is given up.
class Storm {
 public:
  Storm(const StormSource& source, const StormOptions& options, StormReport& report)
      : source_(source), options_(options), report_(report), platform_(source), watch_(platform_), core_(make_core()) {
    for (size_t i = 0; i < kDomains.size(); ++i) {
      xen::DomainConfig config;
      config.id = kDomains[i];
      config.vcpus = kVcpus;
      config.max_grant_frames = 4;
      config.max_maptrack_frames = 2;
      config.privileged = i == kHost;
      config.ram = {{Gpa{0}, kRam, Maddr{i * kRam}}};
      XS_CHECK(core_.api->create_domain(config).has_value());
      core_.api->wake({config.id, VcpuId{1}}, true);
    }
  }

  void run() {
    const uint64_t until = report_.calls + kLongestLife;
    while (source_.more() && report_.calls < until && any_alive()) step();
    check();
    for (const FetchWatch::Finding& finding : watch_.findings()) {
      if (report_.refetched.size() < kMostLines) report_.refetched.push_back(FetchWatch::describe(finding));
    }
  }

 private:
  xen::CoreInstance make_core() {
    return xen::make_core(options_.tidy ? static_cast<xen::Platform&>(watch_) : platform_, options_.flavour);
  }

  void round_trip() {
    const std::vector<std::byte> bytes = core_.state->save();
    const std::string dump = core_.state->dump();
    xen::CoreInstance fresh = make_core();
    if (const auto restored = fresh.state->restore(bytes, platform_.now()); !restored) {
      report_.broken.push_back(restored.error().message);
      return;
    }
    if (fresh.state->dump() != dump || fresh.state->save() != bytes) report_.broken.push_back("a state changed");
    core_ = std::move(fresh);
  }

  uint64_t number() { return source_.next(); }
  uint64_t below(uint64_t bound) { return number() % bound; }
  bool alive(size_t domain) const { return !platform_.ended.contains(kDomains[domain]); }
  bool any_alive() const { return alive(0) || alive(1) || alive(2); }

  void check() {
    for (std::string& line : core_.inspector->broken_invariants()) {
      if (report_.broken.size() < kMostLines) report_.broken.push_back(std::move(line));
    }
  }

  // Where `bytes` of an argument go: anywhere, or to a place that no other struct of this call has.
  uint64_t place(uint64_t bytes) {
    if (!options_.tidy) return below(kRam);
    const uint64_t at = kPlaces + next_place_ % (kRam - kPlaces - 2 * kPageSize);
    next_place_ += (bytes + 63) / 64 * 64;
    return at;
  }

  // A frame of the guest's, or one just above; tidy guests leave the pages alone in which they keep their structs.
  uint64_t gfn() {
    const uint64_t any = below(80);
    return options_.tidy && any >= kPlaces >> kPageShift && any < kPages ? any + kPages : any;
  }

  // A value that a field of this kind might plausibly hold; now and then anything at all.
  uint64_t value_for(xen::abi::FieldKind kind) {
    using xen::abi::FieldKind;
    if (kind == FieldKind::kPointer && options_.tidy) return place(1024);
    if (!options_.tidy && below(8) == 0) return number();  // tidy: a list is never longer than its place
    switch (kind) {
      case FieldKind::kPointer: return below(kRam);
      case FieldKind::kNanoseconds: return platform_.time.v + below(3'000'000);
      case FieldKind::kDomid: return below(3) == 0 ? DOMID_SELF : below(4);
      case FieldKind::kPort: return below(12);
      case FieldKind::kVcpu: return below(3);
      case FieldKind::kGref:
      case FieldKind::kCopySource:
      case FieldKind::kCopyDest: return below(3) == 0 ? below(64) : 8 + below(4);
      case FieldKind::kGfn: return gfn();
      case FieldKind::kMapSpace: return below(6);
      case FieldKind::kHvmParam: return below(40);
      case FieldKind::kShutdown: return below(7);
      case FieldKind::kHex: return below(2) == 0 ? below(8) : gfn() << kPageShift;
      default: break;
    }
    return below(6);
  }

  std::byte* guest(size_t domain, uint64_t at) { return platform_.host(Maddr{domain * kRam + at}); }

  // What a tidy guest's pointer leads to: frame numbers, in case they are taken for such.
  void fill_list(size_t domain, uint64_t at) {
    for (uint64_t i = 0; i < 16; ++i) {
      const uint64_t frame = gfn();
      std::memcpy(guest(domain, at + i * sizeof(frame)), &frame, sizeof(frame));
    }
  }

  // Fills the struct that the call takes, in the guest's memory.
  void write_argument(size_t domain, const xen::abi::StructInfo& info, uint64_t at, bool mode64) {
    for (const xen::abi::FieldInfo& field : info.fields) {
      const unsigned offset = mode64 ? field.offset64 : field.offset32;
      const unsigned bytes = mode64 ? field.bytes64 : field.bytes32;
      const uint64_t value = value_for(field.kind);
      if (at + offset + bytes > kRam || bytes > sizeof(value)) continue;
      std::memcpy(guest(domain, at + offset), &value, bytes);
      if (options_.tidy && field.kind == xen::abi::FieldKind::kPointer) fill_list(domain, value);
    }
  }

  // The guest writes where it likes: its RAM, its shared_info, its grant table.
  void scribble(size_t domain) {
    const std::vector<Mfn>& pages = platform_.pages[kDomains[domain]];
    const uint64_t page =
        below(2) == 0 || pages.empty() ? domain * kPages + below(kPages) : pages[below(pages.size())].v;
    const uint64_t at = (page << kPageShift) + below(kPageSize / 8) * 8;
    const uint64_t value = below(2) == 0 ? number() : below(256);
    std::memcpy(platform_.host(Maddr{at}), &value, sizeof(value));
  }

  // A grant in either version's layout, in a page that may be of the table.
  void write_grant(size_t domain) {
    const std::vector<Mfn>& pages = platform_.pages[kDomains[domain]];
    const uint64_t table = pages[below(std::min<size_t>(pages.size(), 6))].v << kPageShift;
    const auto flags = static_cast<uint16_t>(below(4) == 0 ? number() : uint64_t{GTF_permit_access});
    const auto domid = static_cast<domid_t>(below(3));
    const auto frame = static_cast<uint32_t>(below(80));
    if (below(2) == 0) {
      const grant_entry_v1_t entry{flags, domid, frame};
      std::memcpy(platform_.host(Maddr{table + (8 + below(4)) * sizeof(entry)}), &entry, sizeof(entry));
      return;
    }
    grant_entry_v2_t entry{};
    entry.hdr.flags = flags;
    entry.hdr.domid = domid;
    entry.full_page.frame = frame;
    std::memcpy(platform_.host(Maddr{table + (8 + below(4)) * sizeof(entry)}), &entry, sizeof(entry));
  }

  void expire_timers() {
    platform_.time.v += below(2'000'000);
    const std::map<xen::TimerId, VirtualNs> armed = platform_.timers;
    for (const auto& [id, deadline] : armed) {
      if (deadline > platform_.time || platform_.timers.erase(id) == 0) continue;
      if (!platform_.ended.contains(id.vcpu.dom)) core_.api->timer_expired(id);
    }
  }

  // What a machine calls beside hypercalls.
  void machine_call(VcpuRef vcpu) {
    switch (below(8)) {
      case 0: core_.api->before_run(vcpu); return;
      case 1: core_.api->halt(vcpu, below(8) != 0); return;
      case 2: core_.api->lapic_enabled(vcpu); return;
      case 3: core_.api->write_msr(vcpu, 0x40000000, gfn() << kPageShift, below(2) == 0); return;
      case 4: core_.api->read_msr(vcpu, static_cast<uint32_t>(number())); return;
      case 5:
        core_.api->cpuid(vcpu, 0x40000000 + static_cast<uint32_t>(below(8)), static_cast<uint32_t>(below(4)));
        return;
      default: core_.api->pending_upcall(vcpu); return;
    }
  }

  // What a backend outside asks in the host's name. A guest is rarely destroyed, or nothing else would happen.
  void host_call() {
    static constexpr std::array kKinds = {xen::HostOpKind::kMapGrant,      xen::HostOpKind::kUnmapGrant,
                                          xen::HostOpKind::kCopyFromGrant, xen::HostOpKind::kCopyToGrant,
                                          xen::HostOpKind::kBindPort,      xen::HostOpKind::kListen,
                                          xen::HostOpKind::kIgnore,        xen::HostOpKind::kNotify};
    std::array<std::byte, 64> bytes{};
    xen::HostOp op{
        .kind = kKinds[below(kKinds.size())], .host = kDomains[kHost], .guest = DomId{static_cast<uint16_t>(below(4))}};
    if (below(256) == 0) op.kind = xen::HostOpKind::kDestroyDomain;
    op.number = static_cast<uint32_t>(below(16));
    op.offset = static_cast<uint32_t>(below(8) == 0 ? number() : below(kPageSize));
    op.readonly = below(2) == 0;
    op.data = bytes;
    op.buffer = bytes;
    report_.digest = report_.digest * 31 + static_cast<uint32_t>(core_.api->host_op(op).status);
  }

  void step() {
    const size_t domain = below(kDomains.size());
    if (!alive(domain)) return;
    const VcpuRef vcpu{kDomains[domain], VcpuId{static_cast<uint32_t>(below(kVcpus))}};
    switch (below(24)) {
      case 0: scribble(domain); return;
      case 4: host_call(); return;
      case 1: write_grant(domain); return;
      case 2: expire_timers(); return;
      case 3: core_.api->external_event(kDomains[domain], Port{static_cast<uint32_t>(below(16))}); return;
      default: break;
    }
    if (!core_.api->is_runnable(vcpu)) {
      core_.api->wake(vcpu, below(2) == 0);
    } else if (below(16) == 0) {
      machine_call(vcpu);
    } else {
      hypercall(domain, vcpu);
    }
  }

  // Registers of one call, its argument structs in the guest's memory.
  xen::HypercallRegs make_call(size_t domain, bool mode64) {
    xen::HypercallRegs regs{.mode64 = mode64, .interrupts_enabled = below(4) != 0};
    if (below(8) == 0) {
      regs.nr = below(64);
      for (uint64_t& argument : regs.args) argument = below(2) == 0 ? place(4096) : options_.tidy ? below(8) : number();
    } else {
      const auto subops = xen::abi::all_subops();
      const xen::abi::SubopInfo* row = &subops[below(subops.size())];
      // Ends of domains are rarer than chance would have them, or nothing else would happen.
      if (row->call == __HYPERVISOR_sched_op && below(8) != 0) row = &subops[below(subops.size())];
      regs.nr = row->call;
      regs.args = {row->number, below(3), below(3), 0, 0, 0};
      const xen::abi::StructInfo& info = xen::abi::struct_info(row->argument);
      const uint64_t count = regs.nr == __HYPERVISOR_grant_table_op ? below(4) : 1;
      const uint64_t at = below(32) == 0 && !options_.tidy ? number() : place(512);
      if (regs.nr == __HYPERVISOR_grant_table_op)
        regs.args[2] = below(64) == 0 && !options_.tidy ? number() % 4096 : count;
      if (const std::optional<unsigned> pointer = xen::abi::argument_register(row->call)) regs.args[*pointer] = at;
      for (uint64_t i = 0; i < count && at < kRam; ++i) {
        write_argument(domain, info, at + i * info.bytes(mode64), mode64);
      }
    }
    return regs;
  }

  // A few calls in one.
  xen::HypercallRegs make_multicall(size_t domain, bool mode64) {
    const uint64_t count = below(5);
    const uint64_t bytes = mode64 ? 64 : 32;
    const uint64_t list = place(count * bytes);
    for (uint64_t i = 0; i < count && list + (i + 1) * bytes <= kRam; ++i) {
      const xen::HypercallRegs inner = make_call(domain, mode64);
      const uint64_t words[] = {inner.nr,      0, inner.args[0], inner.args[1], inner.args[2], inner.args[3],
                                inner.args[4], 0};
      for (uint64_t w = 0; w < 8; ++w)
        std::memcpy(guest(domain, list + i * bytes + w * bytes / 8), &words[w], bytes / 8);
    }
    return {.mode64 = mode64,
            .nr = __HYPERVISOR_multicall,
            .args = {list, below(64) == 0 && !options_.tidy ? number() % 64 : count}};
  }

  void hypercall(size_t domain, VcpuRef vcpu) {
    next_place_ = 0;
    const bool mode64 = below(4) != 0;
    xen::HypercallRegs regs = below(16) == 0 ? make_multicall(domain, mode64) : make_call(domain, mode64);
    if (regs.nr == __HYPERVISOR_multicall) regs.args[1] %= 64;
    if (options_.tidy) watch_.begin(fmt::format("hypercall {} op {}", regs.nr, regs.args[0]));
    const uint64_t result = core_.api->hypercall(vcpu, regs);
    watch_.end();
    ++report_.calls;
    if (static_cast<int64_t>(mode64 ? result : static_cast<uint64_t>(static_cast<int32_t>(result))) >= 0)
      ++report_.succeeded;
    report_.digest = report_.digest * 0x100000001b3 + result + regs.nr;
    if (report_.calls % options_.check_every == 0) check();
    if (options_.round_trip_every != 0 && report_.calls % options_.round_trip_every == 0) round_trip();
  }

  const StormSource& source_;
  const StormOptions& options_;
  StormReport& report_;
  StormPlatform platform_;
  FetchWatch watch_;
  xen::CoreInstance core_;
  uint64_t next_place_ = 0;
};

}  // namespace

StormReport run_storm(const StormSource& source, const StormOptions& options) {
  StormReport report;
  while (source.more() && report.broken.empty()) {
    Storm(source, options, report).run();
    ++report.machines;
  }
  return report;
}

}  // namespace xensim
