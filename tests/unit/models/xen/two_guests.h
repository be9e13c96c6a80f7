// Two domains with RAM of their own on one core, for tests of memory and grants.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/api/core.h"
#include "tests/unit/models/xen/fake_platform.h"

namespace xensim {

class TwoGuests {
 public:
  static constexpr DomId kA{5};
  static constexpr DomId kB{6};
  static constexpr uint64_t kRam = FakePlatform::kRam / 2;  // of each: A's lies at machine address 0, B's behind it
  static constexpr uint64_t kArgument = 0x1000;             // where calls put their argument, in either guest
  static constexpr uint64_t kPages = kRam / kPageSize;

  // `host`: which of the two is the host-kernel domain. `pirqs`: both have emulated PIRQs and a PIC, as type=hvm.
  enum class Host { kNone, kA, kB };
  explicit TwoGuests(const xen::Flavour& flavour = {}, uint32_t max_maptrack_frames = 1024, Host host = Host::kNone,
                     bool pirqs = false)
      : core(xen::make_core(platform, flavour)) {
    for (const DomId id : {kA, kB}) {
      xen::DomainConfig config;
      config.id = id;
      config.vcpus = 2;
      config.max_maptrack_frames = max_maptrack_frames;
      config.privileged = (host == Host::kA && id == kA) || (host == Host::kB && id == kB);
      config.emulated_pirqs = pirqs;
      config.pic = pirqs;
      config.ram = {{Gpa{0}, kRam, Maddr{ram_base(id)}}};
      XS_CHECK(core.api->create_domain(config).has_value());
    }
  }

  static uint64_t ram_base(DomId dom) { return dom == kA ? 0 : kRam; }
  template <class T>
  void poke(DomId dom, uint64_t gva, const T& value) {
    platform.poke(ram_base(dom) + gva, value);
  }
  template <class T>
  T peek(DomId dom, uint64_t gva) {
    return platform.peek_as<T>(ram_base(dom) + gva);
  }

  // The core's invariants must hold afterwards.
  int64_t call(DomId dom, uint64_t nr, std::array<uint64_t, 6> args, uint32_t vcpu = 0) {
    ++inside_;
    const uint64_t result = core.api->hypercall({dom, VcpuId{vcpu}}, {.mode64 = mode64, .nr = nr, .args = args});
    if (--inside_ == 0) check_invariants();
    return mode64 ? static_cast<int64_t>(result) : static_cast<int32_t>(result);
  }
  // A call on an array of argument structs, which are read back after it.
  template <class T>
  int64_t call_with(DomId dom, uint64_t nr, uint64_t op, std::vector<T>& list) {
    for (size_t i = 0; i < list.size(); ++i) poke(dom, kArgument + i * sizeof(T), list[i]);
    const int64_t result = call(dom, nr, {op, kArgument, list.size()});
    for (size_t i = 0; i < list.size(); ++i) list[i] = peek<T>(dom, kArgument + i * sizeof(T));
    return result;
  }
  template <class T>
  int64_t call_with(DomId dom, uint64_t nr, uint64_t op, T& argument) {
    std::vector<T> list{argument};
    const int64_t result = call_with(dom, nr, op, list);
    argument = list[0];
    return result;
  }

  int64_t add_to_physmap(DomId dom, uint32_t space, uint64_t idx, uint64_t gpfn) {
    xen_add_to_physmap op{};
    op.domid = DOMID_SELF;
    op.space = space;
    op.idx = idx;
    op.gpfn = gpfn;
    return call_with(dom, __HYPERVISOR_memory_op, XENMEM_add_to_physmap, op);
  }

  // The machine frame that the domain's vCPUs see at a gfn which was changed since it was created; nullopt: a hole, or
  // unchanged.
  Maybe<Mfn> mapping(DomId dom, uint64_t gfn) {
    const auto found = platform.mappings.find({dom, Gfn{gfn}});
    return found == platform.mappings.end() ? std::nullopt : std::optional(found->second);
  }

  // Machine address of the domain's first grant frame, mapped at its gfn 0x70000.
  uint64_t grant_frame(DomId dom) {
    constexpr uint64_t kGfn = 0x70000;
    if (!mapping(dom, kGfn)) XS_CHECK(add_to_physmap(dom, XENMAPSPACE_grant_table, 0, kGfn) == 0);
    return mapping(dom, kGfn)->v << kPageShift;
  }
  void grant(DomId from, uint32_t ref, DomId to, uint64_t gfn, uint16_t flags = GTF_permit_access) {
    grant_entry_v1_t entry{};
    entry.flags = flags;
    entry.domid = to.v;
    entry.frame = static_cast<uint32_t>(gfn);
    platform.poke(grant_frame(from) + ref * sizeof(entry), entry);
  }
  grant_entry_v1_t entry(DomId dom, uint32_t ref) {
    return platform.peek_as<grant_entry_v1_t>(grant_frame(dom) + ref * sizeof(grant_entry_v1_t));
  }

  // Version 2: entries of 16 bytes, whose status words are mapped at gfn 0x70100.
  int64_t set_version(DomId dom, uint32_t version) {
    gnttab_set_version op{};
    op.version = version;
    return call_with(dom, __HYPERVISOR_grant_table_op, GNTTABOP_set_version, op);
  }
  void grant_v2(DomId from, uint32_t ref, DomId to, uint64_t gfn, uint16_t flags = GTF_permit_access) {
    grant_entry_v2_t entry{};
    entry.full_page.hdr.flags = flags;
    entry.full_page.hdr.domid = to.v;
    entry.full_page.frame = gfn;
    platform.poke(grant_frame(from) + ref * sizeof(entry), entry);
  }
  void grant_part(DomId from, uint32_t ref, DomId to, uint64_t gfn, uint16_t offset, uint16_t length,
                  uint16_t flags = 0) {
    grant_entry_v2_t entry{};
    entry.sub_page.hdr.flags = GTF_permit_access | GTF_sub_page | flags;
    entry.sub_page.hdr.domid = to.v;
    entry.sub_page.page_off = offset;
    entry.sub_page.length = length;
    entry.sub_page.frame = gfn;
    platform.poke(grant_frame(from) + ref * sizeof(entry), entry);
  }
  void grant_through(DomId from, uint32_t ref, DomId to, DomId owner, uint32_t owner_ref, uint16_t flags = 0) {
    grant_entry_v2_t entry{};
    entry.transitive.hdr.flags = GTF_transitive | flags;
    entry.transitive.hdr.domid = to.v;
    entry.transitive.trans_domid = owner.v;
    entry.transitive.gref = owner_ref;
    platform.poke(grant_frame(from) + ref * sizeof(entry), entry);
  }
  grant_entry_v2_t entry_v2(DomId dom, uint32_t ref) {
    return platform.peek_as<grant_entry_v2_t>(grant_frame(dom) + ref * sizeof(grant_entry_v2_t));
  }
  uint16_t status_v2(DomId dom, uint32_t ref) {
    constexpr uint64_t kGfn = 0x70100;
    if (!mapping(dom, kGfn)) {
      XS_CHECK(add_to_physmap(dom, XENMAPSPACE_grant_table, XENMAPIDX_grant_table_status, kGfn) == 0);
    }
    return platform.peek_as<uint16_t>((mapping(dom, kGfn)->v << kPageShift) + ref * 2);
  }

  gnttab_map_grant_ref map(DomId by, DomId from, uint32_t ref, uint64_t gfn, uint32_t flags = GNTMAP_host_map) {
    gnttab_map_grant_ref op{};
    op.host_addr = gfn << kPageShift;
    op.flags = flags;
    op.ref = ref;
    op.dom = from.v;
    XS_CHECK(call_with(by, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, op) == 0);
    return op;
  }
  int16_t unmap(DomId by, uint32_t handle, uint64_t gfn) {
    gnttab_unmap_grant_ref op{};
    op.host_addr = gfn << kPageShift;
    op.handle = handle;
    XS_CHECK(call_with(by, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, op) == 0);
    return op.status;
  }

  // Checks the core's own invariants; empty: all hold.
  std::vector<std::string> broken() { return core.inspector->broken_invariants(); }
  // Asks once: clocks are compared with what the last question saw.
  void check_invariants() {
    const std::vector<std::string> lines = broken();
    XS_CHECK_MSG(lines.empty(), lines.front());
  }

  FakePlatform platform;
  xen::CoreInstance core;
  bool mode64 = true;

 private:
  unsigned inside_ = 0;  // calls that are under way: one may come in the middle of another
};

}  // namespace xensim
