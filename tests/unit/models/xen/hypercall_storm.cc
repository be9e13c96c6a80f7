#include "tests/unit/models/xen/hypercall_storm.h"

#include <array>
#include <cstring>

#include "bench/plain_platform.h"
#include "models/xen/abi/decode.h"
#include "models/xen/abi/public.h"
#include "models/xen/abi/table.h"
#include "models/xen/core.h"

namespace xensim {
namespace {

constexpr uint64_t kRam = 64 * kPageSize;  // of each domain
constexpr std::array kDomains = {DomId{1}, DomId{2}};
constexpr uint64_t kExtraPages = 640;  // grant frames, shared_info, and all that reservations may add

// Mappings are followed as a vCPU's would be: a page that the core took away is gone.
class StormPlatform : public PlainPlatform {
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
  std::optional<Gpa> translate(VcpuRef, Gva gva, Access) override {
    if (gva.v >= kRam) return std::nullopt;
    return Gpa{gva.v};
  }
  void set_runnable(VcpuRef, bool) override {}

 private:
  // Another vCPU writes where the core is about to look.
  void meddle(xen::Site site, Maddr at) {
    if (site != xen::Site::kGrantEntry && site != xen::Site::kGrantFrame) return;
    if (source_.next() % 16 != 0) return;
    *(host(at)) = static_cast<std::byte>(source_.next());
  }

  const StormSource& source_;
};

class Storm {
 public:
  explicit Storm(const StormSource& source) : source_(source), platform_(source), core_(xen::make_core(platform_, {})) {
    for (size_t i = 0; i < kDomains.size(); ++i) {
      xen::DomainConfig config;
      config.id = kDomains[i];
      config.vcpus = 2;
      config.max_grant_frames = 4;
      config.max_maptrack_frames = 2;
      config.ram = {{Gpa{0}, kRam, Maddr{i * kRam}}};
      XS_CHECK(core_.api->create_domain(config).has_value());
    }
  }

  StormReport run() {
    while (source_.more()) step();
    report_.broken = core_.inspector->broken_invariants();
    return report_;
  }

 private:
  uint64_t number() { return source_.next(); }
  uint64_t below(uint64_t bound) { return number() % bound; }

  // A value that a field of this kind might plausibly hold; now and then anything at all.
  uint64_t value_for(xen::abi::FieldKind kind) {
    using xen::abi::FieldKind;
    if (below(8) == 0) return number();
    switch (kind) {
      case FieldKind::kPointer: return below(kRam);
      case FieldKind::kNanoseconds: return below(3'000'000);
      case FieldKind::kDomid: return below(3) == 0 ? DOMID_SELF : below(4);
      case FieldKind::kPort: return below(12);
      case FieldKind::kVcpu: return below(3);
      case FieldKind::kGref:
      case FieldKind::kCopySource:
      case FieldKind::kCopyDest: return below(3) == 0 ? below(64) : 8 + below(4);
      case FieldKind::kGfn: return below(80);
      case FieldKind::kMapSpace: return below(6);
      case FieldKind::kHvmParam: return below(40);
      case FieldKind::kShutdown: return below(7);
      case FieldKind::kHex: return below(2) == 0 ? below(8) : below(80) << kPageShift;
      case FieldKind::kUnsigned:
      case FieldKind::kSigned:
      case FieldKind::kGrantStatus: break;
    }
    return below(6);
  }

  // Fills the struct that the call takes, in the guest's memory.
  void write_argument(size_t domain, const xen::abi::StructInfo& info, uint64_t at, bool mode64) {
    for (const xen::abi::FieldInfo& field : info.fields) {
      const unsigned offset = mode64 ? field.offset64 : field.offset32;
      const unsigned bytes = mode64 ? field.bytes64 : field.bytes32;
      const uint64_t value = value_for(field.kind);
      if (at + offset + bytes > kRam || bytes > sizeof(value)) continue;
      std::memcpy(platform_.host(Maddr{domain * kRam + at + offset}), &value, bytes);
    }
  }

  void write_grant(size_t domain) {
    // Frames of the table are machine pages of the core: reach them as a guest does, at the gfns below 80 where the
    // storm maps them; here simply write entries into a page of RAM that may be one.
    grant_entry_v1_t entry{};
    entry.flags = static_cast<uint16_t>(below(4) == 0 ? number() : GTF_permit_access);
    entry.domid = static_cast<domid_t>(1 + below(2));
    entry.frame = static_cast<uint32_t>(below(80));
    const uint64_t frame = grant_frames_[domain];
    if (frame != 0) std::memcpy(platform_.host(Maddr{frame + (8 + below(4)) * sizeof(entry)}), &entry, sizeof(entry));
  }

  void step() {
    const size_t domain = below(kDomains.size());
    const VcpuRef vcpu{kDomains[domain], VcpuId{static_cast<uint32_t>(below(2))}};
    switch (below(16)) {
      case 0: write_grant(domain); break;
      case 1: platform_.time.v += below(2'000'000); break;
      case 2: core_.api->external_event(kDomains[domain], Port{static_cast<uint32_t>(below(16))}); break;
      default: hypercall(domain, vcpu); break;
    }
  }

  void hypercall(size_t domain, VcpuRef vcpu) {
    const bool mode64 = below(4) != 0;
    xen::HypercallRegs regs{.mode64 = mode64};
    const auto subops = xen::abi::all_subops();
    if (below(8) == 0) {
      regs.nr = below(64);
      for (uint64_t& argument : regs.args) argument = below(2) == 0 ? below(kRam) : number();
    } else {
      const xen::abi::SubopInfo& row = subops[below(subops.size())];
      regs.nr = row.call;
      regs.args = {row.number, below(3), below(3), 0, 0, 0};
      const uint64_t at = below(32) == 0 ? number() : below(kRam);
      if (const std::optional<unsigned> pointer = xen::abi::argument_register(row.call)) regs.args[*pointer] = at;
      if (at < kRam) write_argument(domain, xen::abi::struct_info(row.argument), at, mode64);
    }
    if (regs.nr == __HYPERVISOR_multicall) regs.args[1] %= 8;
    if (regs.nr == __HYPERVISOR_grant_table_op && below(16) != 0) regs.args[2] %= 8;
    const uint64_t result = core_.api->hypercall(vcpu, regs);
    ++report_.calls;
    if (static_cast<int64_t>(mode64 ? result : static_cast<uint64_t>(static_cast<int32_t>(result))) >= 0)
      ++report_.succeeded;
    report_.digest = report_.digest * 0x100000001b3 + result + regs.nr;
  }

  const StormSource& source_;
  StormPlatform platform_;
  xen::CoreInstance core_;
  // The first page the core asks for after a domain's shared_info is its first grant frame.
  std::array<uint64_t, kDomains.size()> grant_frames_ = {kRam * 2 + kPageSize, kRam * 2 + 3 * kPageSize};
  StormReport report_;
};

}  // namespace

StormReport run_storm(const StormSource& source) { return Storm(source).run(); }

}  // namespace xensim
