// The table's own consistency: every row can be found, every field lies in its struct.
#include "models/xen/abi/table.h"

#include <doctest/doctest.h>

#include <set>

namespace xensim::xen::abi {
namespace {

TEST_CASE("every hypercall and sub-op is found by its number, and only once") {
  for (const HypercallInfo& row : all_hypercalls()) CHECK(find_hypercall(row.number) == &row);
  for (const SubopInfo& row : all_subops()) {
    CHECK(find_subop(row.call, row.number) == &row);
    const HypercallInfo* call = find_hypercall(row.call);
    REQUIRE(call != nullptr);
    CHECK(call->hvm);
    CHECK(call->registers.front() == 'S');
  }
}

TEST_CASE("every field lies inside its struct in both widths") {
  for (unsigned id = 1; id < static_cast<unsigned>(StructId::kCount); ++id) {
    const StructInfo& info = struct_info(static_cast<StructId>(id));
    CAPTURE(info.name);
    CHECK_FALSE(info.fields.empty());
    for (const FieldInfo& field : info.fields) {
      CAPTURE(field.name);
      CHECK(field.offset64 + field.bytes64 <= info.bytes64);
      CHECK(field.offset32 + field.bytes32 <= info.bytes32);
      CHECK(field.bytes64 <= 8);
    }
  }
}

TEST_CASE("no field has two rows") {
  for (unsigned id = 1; id < static_cast<unsigned>(StructId::kCount); ++id) {
    std::set<std::string_view> names;
    for (const FieldInfo& field : struct_info(static_cast<StructId>(id)).fields) CHECK(names.insert(field.name).second);
  }
}

}  // namespace
}  // namespace xensim::xen::abi
