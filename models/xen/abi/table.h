// The table of hypercalls, sub-ops and argument structs, made from hypercalls.def and structs.def.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace xensim::xen::abi {

// What a field of an argument struct means: how it is shown, and what the fuzzer puts there.
enum class FieldKind : uint8_t {
  kUnsigned,
  kSigned,
  kHex,
  kPointer,  // guest virtual address
  kNanoseconds,
  kDomid,
  kPort,
  kVcpu,
  kGref,
  kGfn,
  kGrantStatus,  // GNTST_*
  kMapSpace,     // XENMAPSPACE_*
  kHvmParam,     // HVM_PARAM_*
  kShutdown,     // SHUTDOWN_*
  kCopySource,   // of gnttab_copy: a grant reference (32 bits) or a gfn, as its flags say
  kCopyDest,
};

// Who writes a field.
enum class Direction : uint8_t { kIn, kOut, kInOut };

enum class StructId : uint8_t {
  kNone,
#define XS_STRUCT(name, type64, type32) k_##name,
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
  kCount
};

struct FieldInfo {
  StructId owner;
  std::string_view name;
  FieldKind kind;
  Direction direction;
  uint16_t offset64, bytes64;  // in the 64-bit layout, in bytes
  uint16_t offset32, bytes32;  // in the 32-bit layout
};

struct StructInfo {
  std::string_view name;
  uint16_t bytes64 = 0, bytes32 = 0;
  std::span<const FieldInfo> fields;

  uint16_t bytes(bool mode64) const { return mode64 ? bytes64 : bytes32; }
};

struct HypercallInfo {
  uint32_t number;
  std::string_view name;
  std::string_view registers;  // as hypercalls.def has it
  bool hvm;                    // an HVM guest has it; else -ENOSYS
};

struct SubopInfo {
  uint32_t call;
  uint32_t number;
  std::string_view name;
  StructId argument;
};

std::span<const HypercallInfo> all_hypercalls();
// In order of call and number.
std::span<const SubopInfo> all_subops();
const StructInfo& struct_info(StructId id);

// nullptr: no such call, or sub-op.
const HypercallInfo* find_hypercall(uint64_t number);
const SubopInfo* find_subop(uint64_t call, uint64_t subop);

}  // namespace xensim::xen::abi
