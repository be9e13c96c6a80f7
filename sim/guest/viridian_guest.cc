// See viridian_guest.h.
#include "sim/guest/viridian_guest.h"

#include <algorithm>

namespace xensim::sim {

namespace {

constexpr uint32_t kFirst = 0x40000000, kLeaves = 0x100;
constexpr uint64_t kCallBit = 0x80000000;  // of EAX, which the hypercall page sets

}  // namespace

ViridianGuest::ViridianGuest(const viridian::Config& config, Around around)
    : around_(around), viridian_(config, *this) {
  if ((config.groups & viridian::kApicAssist) == 0) return;
  for (uint32_t v = 0; v < config.vcpus; ++v) apic(VcpuId{v}).set_eoi_assist(&viridian_);
}

std::optional<uint32_t> ViridianGuest::xen_leaf(uint32_t leaf) {
  if (leaf < kFirst + kLeaves) return std::nullopt;
  return leaf - viridian::kXenLeavesOffset;
}

std::optional<uint32_t> ViridianGuest::xen_msr(uint32_t msr) {
  return msr == viridian::kXenMsr ? std::optional(kFirst) : std::nullopt;
}

CpuidResult ViridianGuest::moved(uint32_t leaf, CpuidResult result) {
  if (leaf == kFirst) result.eax += viridian::kXenLeavesOffset;
  if (leaf == kFirst + 2) result.ebx = viridian::kXenMsr;
  return result;
}

// Xen refuses calls of user code before it looks at the call.
bool ViridianGuest::makes_call(VcpuId vcpu) const {
  return around_.cpu.cpl(vcpu) == 0 && (around_.cpu.gpr(vcpu, kRax) & kCallBit) != 0;
}

bool ViridianGuest::serve_call(VcpuId vcpu) {
  Cpu& cpu = around_.cpu;
  const auto pair = [&](Gpr high, Gpr low) {
    return (cpu.gpr(vcpu, high) & 0xffffffff) << 32 | (cpu.gpr(vcpu, low) & 0xffffffff);
  };
  const CpuMode mode = cpu.mode(vcpu);
  caller_ = vcpu;
  if (mode == CpuMode::kLong) {
    const uint64_t result = viridian_.call({cpu.gpr(vcpu, kRcx), cpu.gpr(vcpu, kRdx), cpu.gpr(vcpu, kR8)});
    cpu.set_gpr(vcpu, kRax, result);
  } else if (mode == CpuMode::kProtected32 || mode == CpuMode::kCompat) {
    const uint64_t result = viridian_.call({pair(kRdx, kRax), pair(kRbx, kRcx), pair(kRdi, kRsi)});
    cpu.set_gpr(vcpu, kRax, result & 0xffffffff);
    cpu.set_gpr(vcpu, kRdx, result >> 32);
  } else {
    return false;  // 16-bit code gets no answer
  }
  return viridian_.wants_yield();
}

// All vCPUs of a domain share one TLB, which goes whenever a vCPU's registers are set.
void ViridianGuest::flush_tlbs() { around_.cpu.set_regs(caller_, around_.cpu.regs(caller_)); }

bool ViridianGuest::read_memory(Gpa from, std::span<std::byte> to) {
  const std::span<std::byte> bytes = around_.memory.at(from, to.size());
  if (bytes.empty()) return to.empty();
  std::copy(bytes.begin(), bytes.end(), to.begin());
  return true;
}

bool ViridianGuest::write_memory(Gpa to, std::span<const std::byte> from) {
  const std::span<std::byte> bytes = around_.memory.at(to, from.size());
  if (bytes.empty()) return from.empty();
  std::copy(from.begin(), from.end(), bytes.begin());
  around_.cpu.invalidate_code(to, from.size());
  return true;
}

}  // namespace xensim::sim
