// A Cpu that executes nothing: registers to set and to read, and a record of what was done to it. Its interrupts and
// processor states may be touched by several threads.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/base/cpu.h"

namespace xensim::test {

class FakeCpu final : public Cpu {
 public:
  struct Vcpu {
    CpuRegs regs;
    CpuMode mode = CpuMode::kLong;
    std::atomic<bool> raised{false};  // since a test cleared it
    std::atomic<bool> nmi{false};
    std::atomic<unsigned> inits{0};
    std::atomic<int> startup_vector{-1};
  };

  explicit FakeCpu(uint32_t count) : vcpus(count) {}
  Vcpu& of(VcpuId vcpu) { return vcpus.at(vcpu.v); }
  const Vcpu& of(VcpuId vcpu) const { return vcpus.at(vcpu.v); }

  CpuExit run(VcpuId, uint64_t) override { return CpuExit::kSlice; }
  uint64_t instructions(VcpuId) const override { return 0; }
  void limit_slice(uint64_t) override {}
  void request_stop() override {}
  void raise_interrupt(VcpuId vcpu) override { of(vcpu).raised = true; }
  void raise_nmi(VcpuId vcpu) override { of(vcpu).nmi = true; }
  bool nmi_ready(VcpuId vcpu) const override { return of(vcpu).nmi; }
  CpuRegs regs(VcpuId vcpu) const override { return of(vcpu).regs; }
  void set_regs(VcpuId vcpu, const CpuRegs& regs) override { of(vcpu).regs = regs; }
  uint64_t gpr(VcpuId vcpu, Gpr reg) const override { return of(vcpu).regs.gpr[reg]; }
  void set_gpr(VcpuId vcpu, Gpr reg, uint64_t value) override { of(vcpu).regs.gpr[reg] = value; }
  CpuMode mode(VcpuId vcpu) const override { return of(vcpu).mode; }
  unsigned cpl(VcpuId) const override { return 0; }
  void complete_hypercall(VcpuId) override {}
  void init(VcpuId vcpu) override { ++of(vcpu).inits; }
  void startup(VcpuId vcpu, uint8_t vector) override { of(vcpu).startup_vector = vector; }
  Status map_memory(Gpa gpa, std::span<std::byte> host, bool) override {
    memory[gpa] = host;
    return {};
  }
  void unmap_memory(Gpa gpa, uint64_t) override { memory.erase(gpa); }
  Status map_mmio(Gpa gpa, uint64_t) override {
    mmio.push_back(gpa);
    return {};
  }
  void invalidate_code(Gpa gpa, uint64_t) override { changed.push_back(gpa); }
  std::optional<Gpa> translate(VcpuId, Gva gva, Access) override { return Gpa{gva.v}; }
  Status set_points(std::span<const Gva>) override { return {}; }
  std::vector<std::byte> save_state() override { return std::vector<std::byte>(8, std::byte{0x5a}); }
  Status restore_state(std::span<const std::byte> bytes) override {
    restored.assign(bytes.begin(), bytes.end());
    return {};
  }
  std::string error() const override { return {}; }

  std::vector<Vcpu> vcpus;
  std::map<Gpa, std::span<std::byte>> memory;
  std::vector<Gpa> mmio;
  std::vector<Gpa> changed;  // pages of code
  std::vector<std::byte> restored;
};

}  // namespace xensim::test
