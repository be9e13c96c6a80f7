// Microsoft's interface for one guest: what models/viridian needs of the processors, the board and the memory, and
// where Xen's own numbers are beside it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "models/base/cpu.h"
#include "models/pc/board.h"
#include "models/viridian/viridian.h"
#include "sim/guest/domain_host.h"
#include "sim/guest/guest_memory.h"

namespace xensim::sim {

class ViridianGuest final : private viridian::Client {
 public:
  struct Around {
    Cpu& cpu;
    pc::Board& board;
    const GuestMemory& memory;
    const DomainHost& host;
  };
  // All of `around` must outlive it. Gives the local APICs their assist word where the guest has that group.
  ViridianGuest(const viridian::Config& config, Around around);

  // The number that a leaf or an MSR of Xen's has for a guest without this interface; nullopt: it is not Xen's.
  static std::optional<uint32_t> xen_leaf(uint32_t leaf);
  static std::optional<uint32_t> xen_msr(uint32_t msr);
  // What Xen's own leaf says, with the numbers as they are here.
  static CpuidResult moved(uint32_t leaf, CpuidResult result);

  CpuidResult cpuid(uint32_t leaf) const { return viridian_.cpuid(leaf); }
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr) { return viridian_.rdmsr(vcpu, msr); }
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) { return viridian_.wrmsr(vcpu, msr, value); }

  // Is the hypercall that the vCPU makes one of this interface, not of Xen's? Then serves it: its registers are as
  // after it. True: the vCPU gives its turn away.
  bool makes_call(VcpuId vcpu) const;
  bool serve_call(VcpuId vcpu);

  bool crashed() const { return viridian_.crashed(); }
  pc::SavedDevice& saved() { return viridian_; }

 private:
  pc::LocalApic& apic(VcpuId vcpu) override { return around_.board.apic(vcpu); }
  void flush_tlbs() override;
  uint64_t tsc() override { return around_.host.tsc(); }
  bool read_memory(Gpa from, std::span<std::byte> to) override;
  bool write_memory(Gpa to, std::span<const std::byte> from) override;

  Around around_;
  VcpuId caller_{};  // of the call that is served
  viridian::Viridian viridian_;
};

}  // namespace xensim::sim
