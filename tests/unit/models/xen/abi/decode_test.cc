// Hypercalls as text.
#include "models/xen/abi/decode.h"

#include <doctest/doctest.h>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/errno_names.h"

namespace xensim::xen::abi {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

HypercallRegs call(uint64_t nr, std::array<uint64_t, 6> args, bool mode64 = true) {
  return {.mode64 = mode64, .cpl = 0, .nr = nr, .args = args};
}

TEST_CASE("a call with its struct and result reads like strace") {
  const ::evtchn_send send{.port = 5};
  CHECK(describe_hypercall(call(32, {4, 0x1000}), bytes_of(send), 0) == "EVTCHNOP_send {port: 5} = 0");
  CHECK(describe_hypercall(call(32, {4, 0x1000}), bytes_of(send), static_cast<uint64_t>(-22)) ==
        "EVTCHNOP_send {port: 5} = -22 EINVAL");
  CHECK(describe_hypercall(call(32, {4, 0x1000}), bytes_of(send), std::nullopt) == "EVTCHNOP_send {port: 5}");
}

TEST_CASE("both widths of a struct with a pointer") {
  ::sched_poll poll{};
  poll.nr_ports = 1;
  poll.timeout = 7;
  CHECK(describe_hypercall(call(29, {3}), bytes_of(poll), 0) ==
        "SCHEDOP_poll {ports: 0x0, nr_ports: 1, timeout: 7} = 0");
  const abi32::sched_poll poll32{.ports = {0x2000}, .nr_ports = 2, .timeout = 0};
  CHECK(describe_hypercall(call(29, {3}, false), bytes_of(poll32), 0xfffffff2) ==
        "SCHEDOP_poll {ports: 0x2000, nr_ports: 2, timeout: 0} = -14 EFAULT");
}

TEST_CASE("fields that the call writes show only once they are known") {
  ::evtchn_alloc_unbound before{};
  before.dom = DOMID_SELF;
  before.remote_dom = 3;
  before.port = 999;
  ::evtchn_alloc_unbound after = before;
  after.port = 4;
  CHECK(describe_hypercall(call(32, {6}), bytes_of(before), 0) ==
        "EVTCHNOP_alloc_unbound {dom: DOMID_SELF, remote_dom: 3} = 0");
  CHECK(describe_hypercall(call(32, {6}), bytes_of(before), 0, bytes_of(after)) ==
        "EVTCHNOP_alloc_unbound {dom: DOMID_SELF, remote_dom: 3, port: 4} = 0");
}

TEST_CASE("a grant copy names references or frames, as its flags say") {
  ::gnttab_copy copy{};
  copy.source.u.gmfn = 0xffffffff00000008;  // the upper half of a reference's union is not part of it
  copy.source.domid = 2;
  copy.dest.u.gmfn = 0x44;
  copy.dest.domid = DOMID_SELF;
  copy.len = 16;
  copy.flags = GNTCOPY_source_gref;
  ::gnttab_copy after = copy;
  after.status = GNTST_bad_gntref;
  CHECK(describe_hypercall(call(20, {5, 0x1000, 1}), bytes_of(copy), 0, bytes_of(after)) ==
        "GNTTABOP_copy {source.ref: 8, source.domid: 2, source.offset: 0, dest.gmfn: 0x44, dest.domid: DOMID_SELF, "
        "dest.offset: 0, len: 16, flags: 0x1, status: -3 GNTST_bad_gntref, count: 1} = 0");
}

TEST_CASE("calls without a struct show their registers") {
  CHECK(describe_hypercall(call(15, {1000}), {}, 0) == "set_timer_op {timeout: 1000} = 0");
  CHECK(describe_hypercall(call(15, {1, 2}, false), {}, 0) == "set_timer_op {timeout: 8589934593} = 0");
  CHECK(describe_hypercall(call(18, {0, 5, 0x3000}), {}, 0) == "CONSOLEIO_write {count: 5, buffer: 0x3000} = 0");
  CHECK(describe_hypercall(call(24, {1, 3}), {}, 0) == "VCPUOP_up {vcpu: 3} = 0");
}

TEST_CASE("calls that do not exist, and arguments cut short") {
  CHECK(describe_hypercall(call(55, {}), {}, static_cast<uint64_t>(-38)) == "hypercall 55 = -38 ENOSYS");
  CHECK(describe_hypercall(call(32, {77}), {}, static_cast<uint64_t>(-38)) == "event_channel_op 77 = -38 ENOSYS");
  const ::evtchn_status status{};
  CHECK(describe_hypercall(call(32, {5}), bytes_of(status).first(2), 0) == "EVTCHNOP_status {dom: 0} = 0");
  CHECK(describe_hypercall(call(32, {5}), {}, 0) == "EVTCHNOP_status = 0");
}

TEST_CASE("where the argument is and how long") {
  CHECK(argument_register(32) == 1);
  CHECK(argument_register(24) == 2);
  CHECK(argument_register(13) == 0);
  CHECK_FALSE(argument_register(15).has_value());
  CHECK_FALSE(argument_register(99).has_value());
  CHECK(argument_size(32, 4, true) == 4);
  CHECK(argument_size(29, 3, true) == 24);
  CHECK(argument_size(29, 3, false) == 16);
  CHECK(argument_size(20, 5, false) == 24);
  CHECK(argument_size(29, 0, true) == 0);
  CHECK(argument_size(32, 99, true) == 0);
}

TEST_CASE("continuation bits are no part of a sub-op") {
  CHECK(subop_of(call(12, {7 | 5 << 6})) == 7);
  CHECK(subop_of(call(34, {1 | 1 << 8})) == 1);
  CHECK(subop_of(call(32, {0x100000004})) == 4);
}

TEST_CASE("errors by name") {
  CHECK(errno_name(-22) == "EINVAL");
  CHECK(errno_name(11) == "EAGAIN");
  CHECK(errno_name(4000) == "");
  CHECK(grant_status_name(-13) == "GNTST_no_space");
  CHECK(grant_status_name(-14) == "");
  CHECK(grant_status_name(1) == "");
}

}  // namespace
}  // namespace xensim::xen::abi
