// The 32-bit layouts: every row of structs.def against the public headers compiled for 32 bits. And the pages that have
// one layout for both widths, as numbers.
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

// The same in both layouts.
#define XS_BOTH_SIZE(type, bytes) static_assert(sizeof(::type) == (bytes));
#define XS_BOTH_OFFSET(type, member, offset) static_assert(offsetof(::type, member) == (offset));
static_assert(offsetof(::shared_info, vcpu_info) == 0 && offsetof(abi32::shared_info, vcpu_info_) == 0);
XS_BOTH_SIZE(grant_entry_v1, 8)
XS_BOTH_SIZE(grant_entry_v2, 16)
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
