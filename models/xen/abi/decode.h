// Hypercalls as text, as strace shows system calls: EVTCHNOP_send {port: 5} = 0.
//
// Needs the registers, the bytes that lie at the argument's address, and the result; nothing of the core, so that a
// trace or a crash report decodes without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "models/xen/abi/regs.h"
#include "models/xen/abi/table.h"

namespace xensim::xen::abi {

// The sub-op a call names: 0 where the call has none. Continuation bits (memory_op: above bit 5, grant_table_op: above
// bit 11, hvm_op: above bit 7) are cut off.
uint64_t subop_of(const HypercallRegs& regs);

// Which register (index into HypercallRegs::args) holds the address of the argument struct; nullopt: the call takes
// none.
std::optional<unsigned> argument_register(uint64_t nr);

// Size in bytes of the struct at that address (one element where the call takes several); 0: there is none.
uint32_t argument_size(uint64_t nr, uint64_t subop, bool mode64);

// The call, its registers and the struct's fields. `argument` may be shorter than argument_size: what is missing is
// left out. `after`, the struct as the call left it, gives the fields that the call wrote; without it they are not
// shown. `result` is RAX: " = 0", " = -22 EINVAL", or nothing where the call has not ended.
std::string describe_hypercall(const HypercallRegs& regs, std::span<const std::byte> argument,
                               std::optional<uint64_t> result, std::span<const std::byte> after = {});

// The call's name alone: "EVTCHNOP_send", "set_timer_op", "hypercall 55", "event_channel_op 77" (no such sub-op).
std::string hypercall_name(const HypercallRegs& regs);

// " = ..." as describe_hypercall ends.
std::string describe_result(uint64_t result);

}  // namespace xensim::xen::abi
