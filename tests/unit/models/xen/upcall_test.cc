// How a vCPU is told: vector, per-vCPU vector, GSI, PCI INTx.
#include <doctest/doctest.h>

#include "models/xen/callback_via.h"
#include "models/xen/upcall.h"
#include "tests/unit/models/xen/guest.h"

namespace xensim {
namespace {

uint64_t via(uint64_t type, uint64_t data) { return type << 56 | data; }

// The core's own functions, on a hypervisor made by hand: what HVM_OP calls.
struct Board {
  explicit Board(const xen::Flavour& flavour = {}, bool pic = true)
      : hv(platform, flavour), domain(hv.add_domain(config(pic))), entry(hv) {}
  static xen::DomainConfig config(bool pic) {
    xen::DomainConfig config;
    config.id = Guest::kDom;
    config.vcpus = 2;
    config.pic = pic;
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

TEST_CASE("KVM: which callbacks by GSI and INTx lead where") {
  const xen::Flavour kvm = kvm_flavour();
  const auto gsi = [&](const xen::Flavour& flavour, uint64_t value) { return xen::decode_via(flavour, value).gsi; };
  CHECK(gsi({}, via(HVM_PARAM_CALLBACK_TYPE_GSI, 0x109)) == 9);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_GSI, 0x109)) == 0);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_GSI, uint64_t{1} << 32 | 9)) == 9);
  CHECK(gsi({}, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 3 << 11 | 1)) == 16 + 13);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 3 << 11 | 1)) == 0);  // no such device
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 0)) == 10);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 0xfb03)) == 11);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 0xf900)) == 0);
  CHECK(gsi(kvm, via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 0x1f800)) == 0);  // of another bus
}

TEST_CASE("without a PIC anything but a vector leaves the callback as it was, every guest of KVM has a PIC") {
  for (const bool kvm : {false, true}) {
    for (const uint64_t value : {via(HVM_PARAM_CALLBACK_TYPE_GSI, 10), via(HVM_PARAM_CALLBACK_TYPE_GSI, 0),
                                 via(HVM_PARAM_CALLBACK_TYPE_PCI_INTX, 3 << 11), via(3, 0x56), via(0xff, 0x56)}) {
      Board board(kvm ? kvm_flavour() : xen::Flavour{}, false);
      set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_VECTOR, 0x52));
      set_callback_via(board.entry, board.domain, value);
      mark_events_pending(board.entry, board.vcpu(0));
      CHECK(pending_upcall(board.entry, board.vcpu(0)).has_value() == !kvm);
    }
  }
}

TEST_CASE("the level is taken back when a vCPU leaves the guest and vCPU 0 has taken its upcall") {
  FakePlatform platform;
  const xen::CoreInstance core = xen::make_core(platform, {});
  xen::DomainConfig config;
  config.id = Guest::kDom;
  config.vcpus = 2;
  config.pic = true;
  config.ram = {{Gpa{0}, FakePlatform::kRam, Maddr{0}}};
  REQUIRE(core.api->create_domain(config).has_value());
  const auto call = [&](uint64_t nr, uint64_t op) {
    return core.api->hypercall(Guest::vcpu(0), {.mode64 = true, .nr = nr, .args = {op, Guest::kArgument}});
  };
  platform.poke(Guest::kArgument,
                xen_hvm_param{.domid = DOMID_SELF, .pad = 0, .index = HVM_PARAM_CALLBACK_IRQ, .value = 9});
  REQUIRE(call(__HYPERVISOR_hvm_op, HVMOP_set_param) == 0);
  platform.poke(Guest::kArgument, evtchn_bind_ipi{});
  REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi) == 0);
  platform.poke(Guest::kArgument, evtchn_send{platform.peek_as<evtchn_bind_ipi>(Guest::kArgument).port});
  REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send) == 0);
  CHECK(platform.gsis[9]);
  core.api->cpuid(Guest::vcpu(1), 0x40000000, 0);
  CHECK(platform.gsis[9]);
  CHECK_FALSE(core.inspector->upcall_taken(Guest::kDom));
  platform.poke<uint8_t>(FakePlatform::kRam, 0);
  CHECK(core.inspector->upcall_taken(Guest::kDom));
  core.api->cpuid(Guest::vcpu(1), 0x40000000, 0);
  CHECK_FALSE(platform.gsis[9]);
  CHECK_FALSE(core.inspector->upcall_taken(Guest::kDom));
}

TEST_CASE("both vectors: the domain's is taken at the next entry even while the local APIC is off") {
  Board board({}, false);
  set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_VECTOR, 0x52));
  CHECK(set_upcall_vector(board.entry, board.domain, 0, 0x65) == 0);
  CHECK(board.platform.lapic_vectors.size() == 1);
  board.platform.lapic = false;
  board.platform.kicks.clear();
  mark_events_pending(board.entry, board.vcpu(0));
  CHECK(board.platform.lapic_vectors.size() == 1);
  CHECK(board.platform.kicks.size() == 1);
  CHECK(pending_upcall(board.entry, board.vcpu(0))->vector == 0x52);
}

TEST_CASE("a change of the callback raises a per-vCPU vector once more, not on KVM") {
  for (const bool kvm : {false, true}) {
    Board board(kvm ? kvm_flavour() : xen::Flavour{});
    CHECK(set_upcall_vector(board.entry, board.domain, 0, 0x65) == 0);
    board.platform.lapic_vectors.clear();
    set_callback_via(board.entry, board.domain, via(HVM_PARAM_CALLBACK_TYPE_VECTOR, 0x52));
    CHECK(board.platform.lapic_vectors.size() == (kvm ? 0 : 1));
    CHECK(set_upcall_vector(board.entry, board.domain, 77, 0x65) == (kvm ? -XEN_EINVAL : -XEN_ENOENT));
  }
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
