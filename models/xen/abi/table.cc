#include "models/xen/abi/table.h"

#include <array>
#include <cstddef>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"

namespace xensim::xen::abi {
namespace {

// Types of each struct by its name in structs.def, so that a field's row need not repeat them.
namespace layout64 {
#define XS_STRUCT(name, type64, type32) using name = type64;
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
}  // namespace layout64
namespace layout32 {
#define XS_STRUCT(name, type64, type32) using name = type32;
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
}  // namespace layout32

constexpr FieldInfo kFields[] = {
#define XS_STRUCT(name, type64, type32)
#define XS_FIELD(name, member, shown, kind, direction)      \
  {StructId::k_##name,                                      \
   shown,                                                   \
   FieldKind::kind,                                         \
   Direction::direction,                                    \
   static_cast<uint16_t>(offsetof(layout64::name, member)), \
   static_cast<uint16_t>(sizeof(layout64::name::member)),   \
   static_cast<uint16_t>(offsetof(layout32::name, member)), \
   static_cast<uint16_t>(sizeof(layout32::name::member))},
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
};

constexpr std::span<const FieldInfo> fields_of(StructId id) {
  size_t first = 0;
  while (first < std::size(kFields) && kFields[first].owner != id) ++first;
  size_t last = first;
  while (last < std::size(kFields) && kFields[last].owner == id) ++last;
  return std::span<const FieldInfo>(kFields).subspan(first, last - first);
}

constexpr StructInfo kStructs[] = {
    {"none", 0, 0, {}},
#define XS_STRUCT(name, type64, type32) {#name, sizeof(type64), sizeof(type32), fields_of(StructId::k_##name)},
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
};
static_assert(std::size(kStructs) == static_cast<size_t>(StructId::kCount));

constexpr StructId k_none = StructId::kNone;
#define XS_STRUCT(name, type64, type32) constexpr StructId k_##name = StructId::k_##name;
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT

constexpr HypercallInfo kHypercalls[] = {
#define XS_HYPERCALL(number, name, handler, registers) {number, #name, registers, true},
#define XS_NO_HYPERCALL(number, name) {number, #name, "", false},
#define XS_SUBOP(call, number, name, argument)
#include "models/xen/abi/hypercalls.def"
#undef XS_SUBOP
#undef XS_NO_HYPERCALL
#undef XS_HYPERCALL
};

// The headers agree with the table about the numbers.
#define XS_HYPERCALL(number, name, handler, registers) static_assert(__HYPERVISOR_##name == (number));
#define XS_NO_HYPERCALL(number, name) static_assert(__HYPERVISOR_##name == (number));
#define XS_SUBOP(call, number, name, argument)
#include "models/xen/abi/hypercalls.def"
#undef XS_SUBOP
#undef XS_NO_HYPERCALL
#undef XS_HYPERCALL

constexpr SubopInfo kSubops[] = {
#define XS_HYPERCALL(number, name, handler, registers)
#define XS_NO_HYPERCALL(number, name)
#define XS_SUBOP(call, number, name, argument) {__HYPERVISOR_##call, number, #name, k_##argument},
#include "models/xen/abi/hypercalls.def"
#undef XS_SUBOP
#undef XS_NO_HYPERCALL
#undef XS_HYPERCALL
};

}  // namespace

std::span<const HypercallInfo> all_hypercalls() { return kHypercalls; }
std::span<const SubopInfo> all_subops() { return kSubops; }
const StructInfo& struct_info(StructId id) { return kStructs[static_cast<size_t>(id)]; }

const HypercallInfo* find_hypercall(uint64_t number) {
  for (const HypercallInfo& row : kHypercalls) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

const SubopInfo* find_subop(uint64_t call, uint64_t subop) {
  for (const SubopInfo& row : kSubops) {
    if (row.call == call && row.number == subop) return &row;
  }
  return nullptr;
}

}  // namespace xensim::xen::abi
