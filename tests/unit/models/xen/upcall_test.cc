// How a vCPU is told: vector, per-vCPU vector, GSI, PCI INTx.
#include <doctest/doctest.h>

#include "models/xen/upcall.h"
#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

uint64_t via(uint64_t type, uint64_t data) { return type << 56 | data; }

// The core's own functions, on a hypervisor made by hand: what HVM_OP calls.
struct Board {
  explicit Board(const xen::Flavour& flavour = {})
      : hv(platform, flavour), domain(hv.add_domain(config())), entry(hv) {}
  static xen::DomainConfig config() {
    xen::DomainConfig config;
    config.id = Guest::kDom;
    config.vcpus = 2;
    return config;
  }
  xen::Vcpu& vcpu(uint32_t number) { return *domain.vcpu(number); }

  FakePlatform platform;
  xen::Hypervisor hv;
  xen::Domain& domain;
  xen::Entry entry;
};

TEST_CASE("callback by vector: kick, and the vector while the upcall is pending") {
  Board board;
  set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_VECTOR, 0xf3));
  board.platform.kicks.clear();
  CHECK_FALSE(pending_upcall(board.entry, board.vcpu(1)).has_value());
  mark_events_pending(board.entry, board.vcpu(1));
  CHECK(board.platform.kicks.size() == 1);
  CHECK(pending_upcall(board.entry, board.vcpu(1))->vector == 0xf3);
  mark_events_pending(board.entry, board.vcpu(1));
  CHECK(board.platform.kicks.size() == 1);
  set_callback_via(board.entry, board.domain, 0);
  CHECK_FALSE(pending_upcall(board.entry, board.vcpu(1)).has_value());
}

TEST_CASE("per-vCPU vector: an edge at the local APIC, again when that is enabled") {
  Board board;
  CHECK(set_upcall_vector(board.entry, board.domain, 0, 0xf) == -XEN_EINVAL);
  CHECK(set_upcall_vector(board.entry, board.domain, 2, 0x20) == -XEN_ENOENT);
  CHECK(set_upcall_vector(board.entry, board.domain, 2, 0) == -XEN_EINVAL);
  board.platform.lapic = false;
  CHECK(set_upcall_vector(board.entry, board.domain, 1, 0x40) == 0);
  mark_events_pending(board.entry, board.vcpu(1));
  CHECK(board.platform.lapic_vectors.empty());
  board.platform.lapic = true;
  reassert_after_lapic_enabled(board.entry, board.vcpu(1));
  REQUIRE(board.platform.lapic_vectors.size() == 1);
  CHECK(board.platform.lapic_vectors[0].second == 0x40);
  reassert_after_lapic_enabled(board.entry, board.vcpu(0));
  CHECK(board.platform.lapic_vectors.size() == 1);
  // Setting it raises one upcall too many.
  CHECK(set_upcall_vector(board.entry, board.domain, 0, 0x41) == 0);
  CHECK(board.platform.lapic_vectors.size() == 2);
}

TEST_CASE("KVM: a per-vCPU vector that comes after the event does not announce it") {
  Board board(kvm_flavour());
  mark_events_pending(board.entry, board.vcpu(1));
  CHECK(set_upcall_vector(board.entry, board.domain, 1, 0x40) == 0);
  CHECK(board.platform.lapic_vectors.empty());
}

TEST_CASE("callback by GSI: the level follows vCPU 0's upcall_pending") {
  Board board;
  set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_GSI, 10));
  CHECK_FALSE(board.platform.gsis[10]);
  mark_events_pending(board.entry, board.vcpu(1));
  CHECK_FALSE(board.platform.gsis[10]);
  mark_events_pending(board.entry, board.vcpu(0));
  CHECK(board.platform.gsis[10]);
  board.platform.poke<uint8_t>(FakePlatform::kRam, 0);
  update_callback_level(board.entry, board.domain);
  CHECK_FALSE(board.platform.gsis[10]);
}

TEST_CASE("a change of the callback takes the old level away and sets the new one") {
  Board board;
  set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_GSI, 10));
  mark_events_pending(board.entry, board.vcpu(0));
  set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 3 << 11 | 1));
  CHECK_FALSE(board.platform.gsis[10]);
  CHECK(board.platform.gsis[16 + 13]);
}

TEST_CASE("types that are not known, and GSI 0, mean none") {
  for (const uint64_t value :
       {via(HVM_PARAM_CALLBACK_TYPE_GSI, 0), via(HVM_PARAM_CALLBACK_TYPE_GSI, 200), via(3, 1), via(77, 0xf3)}) {
    Board board;
    set_callback_via(board.entry, board.domain, value);
    mark_events_pending(board.entry, board.vcpu(0));
    CHECK(board.platform.gsis.empty());
    CHECK(board.platform.kicks.empty());
    CHECK_FALSE(pending_upcall(board.entry, board.vcpu(0)).has_value());
  }
}

}  // namespace
}  // namespace xensim
