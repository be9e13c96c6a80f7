// Layouts in both widths: every row of structs.def against the public headers compiled for 32 bits, and the offsets and
// sizes of what guests and hypervisor share, as numbers.
#include <doctest/doctest.h>

#include <cstdio>
#include <vector>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/abi/table.h"
// After the headers that say what a uint32_t is.
#include <xen/io/xs_wire.h>

namespace xensim::xen::abi {
namespace {

// What layout32.cc came to.
std::vector<uint16_t> layout32() {
  std::FILE* file = std::fopen(XENSIM_BINARY_DIR "/tests/unit/models/xen/abi/layout32.bin", "rb");
  REQUIRE(file != nullptr);
  std::vector<uint16_t> words(4096);
  words.resize(std::fread(words.data(), sizeof(uint16_t), words.size(), file));
  std::fclose(file);
  return words;
}

TEST_CASE("every struct of the table has the 32-bit layout of the public headers") {
  const std::vector<uint16_t> words = layout32();
  size_t at = 0;
  const auto next = [&]() {
    REQUIRE(at < words.size());
    return words[at++];
  };
  for (unsigned id = 1; id < static_cast<unsigned>(StructId::kCount); ++id) {
    const StructInfo& info = struct_info(static_cast<StructId>(id));
    CAPTURE(info.name);
    CHECK(next() == info.bytes32);
    CHECK(next() == 0xffff);
    for (const FieldInfo& field : info.fields) {
      CAPTURE(field.name);
      CHECK(next() == field.offset32);
      CHECK(next() == field.bytes32);
    }
  }
  CHECK(at == words.size());
}

#define XS_SIZE(type, bytes64, bytes32)       \
  static_assert(sizeof(::type) == (bytes64)); \
  static_assert(sizeof(abi32::type) == (bytes32));
#define XS_BOTH_SIZE(type, bytes) static_assert(sizeof(::type) == (bytes));
#define XS_OFFSET(type, member, offset64, offset32)      \
  static_assert(offsetof(::type, member) == (offset64)); \
  static_assert(offsetof(abi32::type, member) == (offset32));
#define XS_BOTH_OFFSET(type, member, offset) static_assert(offsetof(::type, member) == (offset));

// shared_info: 32 vcpu_infos of 64 bytes, then the bitmaps, the wallclock and what the architecture adds.
XS_SIZE(shared_info, 3136, 2344)
static_assert(offsetof(::shared_info, vcpu_info) == 0 && offsetof(abi32::shared_info, vcpu_info_) == 0);
XS_SIZE(vcpu_info, 64, 64)
XS_OFFSET(shared_info, evtchn_pending, 0x800, 0x800)
XS_OFFSET(shared_info, evtchn_mask, 0xa00, 0x880)
static_assert(sizeof(::shared_info::evtchn_pending) * 8 == 4096);
static_assert(sizeof(abi32::shared_info::evtchn_pending) * 8 == 1024);
XS_OFFSET(shared_info, wc_version, 0xc00, 0x900)
XS_OFFSET(shared_info, wc_sec, 0xc04, 0x904)
XS_OFFSET(shared_info, wc_nsec, 0xc08, 0x908)
static_assert(offsetof(::shared_info, wc_sec_hi) == 0xc0c && offsetof(abi32::shared_info, arch.wc_sec_hi) == 0x924);
XS_OFFSET(shared_info, arch, 0xc10, 0x90c)

XS_OFFSET(vcpu_info, evtchn_upcall_pending, 0, 0)
XS_OFFSET(vcpu_info, evtchn_upcall_mask, 1, 1)
XS_OFFSET(vcpu_info, evtchn_pending_sel, 8, 4)
XS_OFFSET(vcpu_info, arch, 16, 8)
XS_OFFSET(vcpu_info, time, 32, 32)
XS_BOTH_SIZE(vcpu_time_info, 32)
XS_BOTH_OFFSET(vcpu_time_info, version, 0)
XS_BOTH_OFFSET(vcpu_time_info, tsc_timestamp, 8)
XS_BOTH_OFFSET(vcpu_time_info, system_time, 16)
XS_BOTH_OFFSET(vcpu_time_info, tsc_to_system_mul, 24)
XS_BOTH_OFFSET(vcpu_time_info, tsc_shift, 28)
XS_BOTH_OFFSET(vcpu_time_info, flags, 29)

XS_SIZE(vcpu_runstate_info, 48, 44)
XS_OFFSET(vcpu_runstate_info, state, 0, 0)
XS_OFFSET(vcpu_runstate_info, state_entry_time, 8, 4)
XS_OFFSET(vcpu_runstate_info, time, 16, 12)

XS_SIZE(sched_poll, 24, 16)
XS_OFFSET(sched_poll, ports, 0, 0)
XS_OFFSET(sched_poll, nr_ports, 8, 4)
XS_OFFSET(sched_poll, timeout, 16, 8)
XS_SIZE(vcpu_set_singleshot_timer, 16, 12)
XS_OFFSET(vcpu_set_singleshot_timer, flags, 8, 8)
XS_BOTH_SIZE(vcpu_register_vcpu_info, 16)

XS_BOTH_SIZE(gnttab_map_grant_ref, 32)
XS_BOTH_SIZE(gnttab_unmap_grant_ref, 24)
XS_SIZE(gnttab_copy, 40, 24)
XS_SIZE(gnttab_setup_table, 24, 16)
XS_BOTH_SIZE(grant_entry_v1, 8)
XS_BOTH_SIZE(grant_entry_v2, 16)

XS_SIZE(xen_add_to_physmap, 24, 16)
XS_OFFSET(xen_add_to_physmap, idx, 8, 8)
XS_OFFSET(xen_add_to_physmap, gpfn, 16, 12)

XS_BOTH_SIZE(evtchn_fifo_control_block, 72)
XS_BOTH_OFFSET(evtchn_fifo_control_block, ready, 0)
XS_BOTH_OFFSET(evtchn_fifo_control_block, head, 8)

XS_BOTH_SIZE(xenstore_domain_interface, 2076)
XS_BOTH_OFFSET(xenstore_domain_interface, req, 0)
XS_BOTH_OFFSET(xenstore_domain_interface, rsp, 0x400)
XS_BOTH_OFFSET(xenstore_domain_interface, req_cons, 0x800)
XS_BOTH_OFFSET(xenstore_domain_interface, req_prod, 0x804)
XS_BOTH_OFFSET(xenstore_domain_interface, rsp_cons, 0x808)
XS_BOTH_OFFSET(xenstore_domain_interface, rsp_prod, 0x80c)
XS_BOTH_OFFSET(xenstore_domain_interface, server_features, 0x810)
XS_BOTH_OFFSET(xenstore_domain_interface, connection, 0x814)
XS_BOTH_OFFSET(xenstore_domain_interface, error, 0x818)

TEST_CASE("the 2-level bitmaps have a bit for each port of their width") {
  CHECK(sizeof(::shared_info::evtchn_mask) == sizeof(::shared_info::evtchn_pending));
  CHECK(sizeof(::vcpu_info::evtchn_pending_sel) * 8 == sizeof(::shared_info::evtchn_pending) / 8);
  CHECK(sizeof(abi32::vcpu_info::evtchn_pending_sel) * 8 == sizeof(abi32::shared_info::evtchn_pending) / 4);
}

}  // namespace
}  // namespace xensim::xen::abi
