#include "models/xen/abi/decode.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string_view>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/errno_names.h"
#include "models/xen/abi/public.h"

namespace xensim::xen::abi {
namespace {

std::string_view domid_name(uint64_t id) {
  switch (id) {
    case DOMID_SELF: return "DOMID_SELF";
    case DOMID_IO: return "DOMID_IO";
    case DOMID_XEN: return "DOMID_XEN";
    case DOMID_COW: return "DOMID_COW";
    case DOMID_INVALID: return "DOMID_INVALID";
    default: return {};
  }
}

std::string_view map_space_name(uint64_t space) {
  constexpr std::string_view kNames[] = {"shared_info", "grant_table",  "gmfn",
                                         "gmfn_range",  "gmfn_foreign", "dev_mmio"};
  return space < std::size(kNames) ? kNames[space] : std::string_view{};
}

std::string_view shutdown_name(uint64_t reason) {
  constexpr std::string_view kNames[] = {"poweroff", "reboot", "suspend", "crash", "watchdog", "soft_reset"};
  return reason < std::size(kNames) ? kNames[reason] : std::string_view{};
}

std::string_view hvm_param_name(uint64_t index) {
  switch (index) {
    case HVM_PARAM_CALLBACK_IRQ: return "CALLBACK_IRQ";
    case HVM_PARAM_STORE_PFN: return "STORE_PFN";
    case HVM_PARAM_STORE_EVTCHN: return "STORE_EVTCHN";
    case HVM_PARAM_IOREQ_PFN: return "IOREQ_PFN";
    case HVM_PARAM_BUFIOREQ_PFN: return "BUFIOREQ_PFN";
    case HVM_PARAM_VIRIDIAN: return "VIRIDIAN";
    case HVM_PARAM_TIMER_MODE: return "TIMER_MODE";
    case HVM_PARAM_HPET_ENABLED: return "HPET_ENABLED";
    case HVM_PARAM_IDENT_PT: return "IDENT_PT";
    case HVM_PARAM_ACPI_S_STATE: return "ACPI_S_STATE";
    case HVM_PARAM_VM86_TSS: return "VM86_TSS";
    case HVM_PARAM_VPT_ALIGN: return "VPT_ALIGN";
    case HVM_PARAM_CONSOLE_PFN: return "CONSOLE_PFN";
    case HVM_PARAM_CONSOLE_EVTCHN: return "CONSOLE_EVTCHN";
    case HVM_PARAM_ACPI_IOPORTS_LOCATION: return "ACPI_IOPORTS_LOCATION";
    case HVM_PARAM_TRIPLE_FAULT_REASON: return "TRIPLE_FAULT_REASON";
    case HVM_PARAM_VM_GENERATION_ID_ADDR: return "VM_GENERATION_ID_ADDR";
    case HVM_PARAM_ALTP2M: return "ALTP2M";
    case HVM_PARAM_X87_FIP_WIDTH: return "X87_FIP_WIDTH";
    case HVM_PARAM_VM86_TSS_SIZED: return "VM86_TSS_SIZED";
    case HVM_PARAM_MCA_CAP: return "MCA_CAP";
    default: return {};
  }
}

int64_t sign_extend(uint64_t value, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<int64_t>(value << shift) >> shift;
}

std::string name_or_number(std::string_view name, uint64_t value) {
  return name.empty() ? fmt::format("{}", value) : std::string(name);
}

std::string show(FieldKind kind, uint64_t value, unsigned bytes) {
  switch (kind) {
    case FieldKind::kSigned: return fmt::format("{}", sign_extend(value, bytes));
    case FieldKind::kHex:
    case FieldKind::kPointer:
    case FieldKind::kGfn: return fmt::format("{:#x}", value);
    case FieldKind::kDomid: return name_or_number(domid_name(value), value);
    case FieldKind::kMapSpace: return name_or_number(map_space_name(value), value);
    case FieldKind::kShutdown: return name_or_number(shutdown_name(value), value);
    case FieldKind::kHvmParam: return name_or_number(hvm_param_name(value), value);
    case FieldKind::kGrantStatus: {
      const int64_t status = sign_extend(value, bytes);
      const std::string_view name = grant_status_name(status);
      return name.empty() ? fmt::format("{}", status) : fmt::format("{} {}", status, name);
    }
    case FieldKind::kUnsigned:
    case FieldKind::kNanoseconds:
    case FieldKind::kPort:
    case FieldKind::kVcpu:
    case FieldKind::kGref:
    case FieldKind::kCopySource:
    case FieldKind::kCopyDest: break;
  }
  return fmt::format("{}", value);
}

// Gathers "name: value" pairs in braces.
class FieldList {
 public:
  void add(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? "" : ", ";
    text_.append(name).append(": ").append(value);
  }
  std::string in_braces() const { return text_.empty() ? std::string() : " {" + text_ + "}"; }

 private:
  std::string text_;
};

// One end of a gnttab_copy: which member of its union counts is in the flags.
void add_copy_pointer(FieldList& list, const FieldInfo& field, bool mode64, uint64_t value,
                      std::span<const std::byte> bytes) {
  const size_t flags_at = mode64 ? offsetof(::gnttab_copy, flags) : offsetof(abi32::gnttab_copy, flags);
  uint16_t flags = 0;
  if (flags_at + sizeof(flags) > bytes.size()) return;
  std::memcpy(&flags, bytes.data() + flags_at, sizeof(flags));
  const bool is_gref = (flags & (field.kind == FieldKind::kCopySource ? GNTCOPY_source_gref : GNTCOPY_dest_gref)) != 0;
  if (is_gref) {
    list.add(fmt::format("{}.ref", field.name), fmt::format("{}", static_cast<uint32_t>(value)));
  } else {
    list.add(fmt::format("{}.gmfn", field.name), fmt::format("{:#x}", value));
  }
}

void add_field(FieldList& list, const FieldInfo& field, bool mode64, std::span<const std::byte> bytes) {
  const unsigned offset = mode64 ? field.offset64 : field.offset32;
  const unsigned size = mode64 ? field.bytes64 : field.bytes32;
  if (size > 8 || offset + size > bytes.size()) return;
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, size);
  if (field.kind == FieldKind::kCopySource || field.kind == FieldKind::kCopyDest) {
    add_copy_pointer(list, field, mode64, value, bytes);
  } else {
    list.add(field.name, show(field.kind, value, size));
  }
}

void add_struct(FieldList& list, StructId id, bool mode64, std::span<const std::byte> argument,
                std::span<const std::byte> after) {
  for (const FieldInfo& field : struct_info(id).fields) {
    const bool written = field.direction == Direction::kOut || (field.direction == Direction::kInOut && !after.empty());
    add_field(list, field, mode64, written ? after : argument);
  }
}

// The struct that the call's P register points to.
StructId argument_struct(uint64_t nr, uint64_t subop) {
  if (nr == __HYPERVISOR_multicall) return StructId::k_multicall_entry;
  const SubopInfo* row = find_subop(nr, subop);
  return row == nullptr ? StructId::kNone : row->argument;
}

// Calls `visit(word, register index)` for each word of the row's `registers`.
template <class Visit>
void for_each_register(std::string_view words, Visit visit) {
  for (unsigned index = 0; !words.empty(); ++index) {
    const size_t end = std::min(words.find(' '), words.size());
    visit(words.substr(0, end), index);
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

uint64_t arg(const HypercallRegs& regs, unsigned index) {
  if (index >= regs.args.size()) return 0;
  return regs.mode64 ? regs.args[index] : static_cast<uint32_t>(regs.args[index]);
}

void add_register(FieldList& list, const HypercallRegs& regs, std::string_view word, unsigned index) {
  const size_t equals = word.find('=');
  const uint64_t value = arg(regs, index);
  list.add(word.substr(0, equals), word.back() == 'x' ? fmt::format("{:#x}", value) : fmt::format("{}", value));
}

bool is_error(int64_t result) { return result < 0 && result > -4096; }

}  // namespace

uint64_t subop_of(const HypercallRegs& regs) {
  const uint64_t value = arg(regs, 0);
  switch (regs.nr) {
    case __HYPERVISOR_memory_op: return value & 0x3f;
    case __HYPERVISOR_grant_table_op: return value & 0xfff;
    case __HYPERVISOR_hvm_op: return value & 0xff;
    case __HYPERVISOR_event_channel_op:
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_vcpu_op:
    case __HYPERVISOR_xen_version:
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_console_io:
    case __HYPERVISOR_vm_assist: return static_cast<uint32_t>(value);
    default: return 0;
  }
}

std::optional<unsigned> argument_register(uint64_t nr) {
  const HypercallInfo* row = find_hypercall(nr);
  std::optional<unsigned> found;
  if (row == nullptr) return found;
  for_each_register(row->registers, [&](std::string_view word, unsigned index) {
    if (word == "P") found = index;
  });
  return found;
}

uint32_t argument_size(uint64_t nr, uint64_t subop, bool mode64) {
  return struct_info(argument_struct(nr, subop)).bytes(mode64);
}

std::string hypercall_name(const HypercallRegs& regs) {
  const HypercallInfo* row = find_hypercall(regs.nr);
  if (row == nullptr) return fmt::format("hypercall {}", regs.nr);
  if (row->registers.empty() || row->registers[0] != 'S') return std::string(row->name);
  const SubopInfo* subop = find_subop(regs.nr, subop_of(regs));
  return subop == nullptr ? fmt::format("{} {}", row->name, subop_of(regs)) : std::string(subop->name);
}

std::string describe_result(uint64_t result) {
  const int64_t value = static_cast<int64_t>(result);
  if (!is_error(value)) return fmt::format(" = {}", result);
  const std::string_view name = errno_name(value);
  return name.empty() ? fmt::format(" = {}", value) : fmt::format(" = {} {}", value, name);
}

std::string describe_hypercall(const HypercallRegs& regs, std::span<const std::byte> argument,
                               std::optional<uint64_t> result, std::span<const std::byte> after) {
  FieldList list;
  if (const HypercallInfo* row = find_hypercall(regs.nr)) {
    for_each_register(row->registers, [&](std::string_view word, unsigned index) {
      if (word == "P") {
        add_struct(list, argument_struct(regs.nr, subop_of(regs)), regs.mode64, argument, after);
      } else if (word == "T") {
        const uint64_t time = regs.mode64 ? arg(regs, 0) : arg(regs, 0) | arg(regs, 1) << 32;
        list.add("timeout", fmt::format("{}", static_cast<int64_t>(time)));
      } else if (word != "S") {
        add_register(list, regs, word, index);
      }
    });
  }
  std::string text = hypercall_name(regs) + list.in_braces();
  if (result) {
    // RAX of a 32-bit caller holds 32 bits.
    const uint64_t value = regs.mode64 ? *result : static_cast<uint64_t>(sign_extend(*result, 4));
    text += describe_result(is_error(static_cast<int64_t>(value)) ? value : *result);
  }
  return text;
}

}  // namespace xensim::xen::abi
