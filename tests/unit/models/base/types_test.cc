// Strong types: kinds do not mix, values compare, and they cost nothing.
#include "models/base/types.h"

#include <doctest/doctest.h>

#include <concepts>
#include <map>
#include <type_traits>

namespace xensim {
namespace {

static_assert(!std::convertible_to<Gpa, Gva>);
static_assert(!std::convertible_to<Gpa, uint64_t>);
static_assert(!std::convertible_to<uint64_t, Gpa>);
static_assert(!std::equality_comparable_with<Gfn, Mfn>);
static_assert(std::is_trivially_copyable_v<VcpuRef> && std::is_aggregate_v<Port>);
static_assert(sizeof(Gpa) == 8 && sizeof(Port) == 4 && sizeof(DomId) == 2 && sizeof(VcpuRef) == 8);

// The page constants agree with each other.
static_assert(kPageSize == uint64_t{1} << kPageShift);

TEST_CASE("a strong type starts at zero") {
  CHECK(Port{}.v == 0);
  CHECK(VirtualNs{} == VirtualNs{0});
}

TEST_CASE("strong types order by their value") {
  CHECK(Gpa{0x1000} < Gpa{0x2000});
  CHECK(Gpa{~uint64_t{0}} > Gpa{0});
  CHECK(GrantRef{7} == GrantRef{7});
  CHECK(DomId{0x7ff0} != DomId{0x7ff1});
}

TEST_CASE("a vCPU's reference orders by domain, then by number") {
  CHECK(VcpuRef{DomId{1}, VcpuId{9}} < VcpuRef{DomId{2}, VcpuId{0}});
  CHECK(VcpuRef{DomId{2}, VcpuId{0}} < VcpuRef{DomId{2}, VcpuId{1}});
  std::map<VcpuRef, int> map{{{DomId{1}, VcpuId{0}}, 10}, {{DomId{1}, VcpuId{1}}, 11}};
  CHECK(map.at({DomId{1}, VcpuId{1}}) == 11);
}

}  // namespace
}  // namespace xensim
