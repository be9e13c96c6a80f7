#include "models/xen/abi/reference.h"

#include <fmt/format.h>

#include "models/xen/abi/state.h"
#include "models/xen/abi/table.h"

namespace xensim::xen::abi {
namespace {

constexpr std::string_view kHead =
    "# Hypercalls\n\n"
    "Made from the table that dispatch, decoding and the fuzzer's grammar come from (`models/xen/abi/*.def`) by\n"
    "`xensim list hypercalls --reference`; a test compares this file with it. Registers: the number is in RAX (EAX), "
    "arguments\n"
    "are in RDI, RSI, RDX, R10, R8, R9 (64-bit) or EBX, ECX, EDX, ESI, EDI, EBP (32-bit), the result comes in RAX "
    "(EAX). `S` is the\n"
    "sub-op, `P` the guest linear address of the sub-op's struct, `T` a 64-bit time, which a 32-bit guest gives in two "
    "registers.\n\n"
    "A state is `implemented`; `refused` where Xen itself refuses the call to every HVM guest; `privileged` where it "
    "is the\n"
    "toolstack's. Errors are those of flavour `xen`; what flavours `kvm` and `xen-4.20` do otherwise: `xensim list "
    "flavours`.\n"
    "In the structs below, offsets and sizes are in bytes, and `in`, `out`, `in/out` tell who writes a field.\n";

std::string_view kind_text(FieldKind kind) {
  switch (kind) {
    case FieldKind::kUnsigned: return "unsigned";
    case FieldKind::kSigned: return "signed";
    case FieldKind::kHex: return "bits";
    case FieldKind::kPointer: return "guest linear address";
    case FieldKind::kNanoseconds: return "nanoseconds";
    case FieldKind::kDomid: return "domain";
    case FieldKind::kPort: return "event channel";
    case FieldKind::kVcpu: return "vCPU";
    case FieldKind::kGref: return "grant reference";
    case FieldKind::kGfn: return "guest frame number";
    case FieldKind::kGrantStatus: return "GNTST_*";
    case FieldKind::kMapSpace: return "XENMAPSPACE_*";
    case FieldKind::kHvmParam: return "HVM_PARAM_*";
    case FieldKind::kShutdown: return "SHUTDOWN_*";
    case FieldKind::kCopySource:
    case FieldKind::kCopyDest: return "grant reference or gfn, as the flags say";
  }
  return "";
}

std::string_view direction_text(Direction direction) {
  switch (direction) {
    case Direction::kIn: return "in";
    case Direction::kOut: return "out";
    case Direction::kInOut: return "in/out";
  }
  return "";
}

std::string call_section(const HypercallInfo& call) {
  std::string text = fmt::format("\n### {} {}\n\n", call.number, call.name);
  if (!call.registers.empty()) text += fmt::format("Registers: `{}`\n\n", call.registers);
  std::string rows;
  for (const SubopInfo& subop : all_subops()) {
    if (subop.call != call.number) continue;
    const std::string argument =
        subop.argument == StructId::kNone ? "" : fmt::format("`{}`", struct_info(subop.argument).name);
    rows +=
        fmt::format("| {} | `{}` | {} | {} |\n", subop.number, subop.name, argument, describe_state(state_of(subop)));
  }
  if (rows.empty()) return text + fmt::format("State: {}\n", describe_state(state_of(call)));
  return text + "| sub-op | name | argument | state |\n|---|---|---|---|\n" + rows;
}

std::string struct_section(const StructInfo& info) {
  std::string text = fmt::format("\n### {}\n\n{} bytes in the 64-bit layout, {} in the 32-bit one.\n\n", info.name,
                                 info.bytes64, info.bytes32);
  text += "| field | 64-bit offset, size | 32-bit offset, size | | meaning |\n|---|---|---|---|---|\n";
  for (const FieldInfo& field : info.fields) {
    text += fmt::format("| {} | {}, {} | {}, {} | {} | {} |\n", field.name, field.offset64, field.bytes64,
                        field.offset32, field.bytes32, direction_text(field.direction), kind_text(field.kind));
  }
  return text;
}

}  // namespace

std::string hypercall_reference() {
  std::string text(kHead);
  text += "\n## Calls\n";
  std::string absent;
  for (const HypercallInfo& call : all_hypercalls()) {
    if (call.hvm) text += call_section(call);
    if (!call.hvm) absent += fmt::format("{}{} {}", absent.empty() ? "" : ", ", call.number, call.name);
  }
  text += fmt::format("\nNo HVM guest has these, and gets -ENOSYS: {}.\n", absent);
  text += "\n## Structs\n";
  for (unsigned id = 1; id < static_cast<unsigned>(StructId::kCount); ++id) {
    text += struct_section(struct_info(static_cast<StructId>(id)));
  }
  return text;
}

}  // namespace xensim::xen::abi
