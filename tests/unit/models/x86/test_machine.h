// A machine of one software CPU and 4 MiB of RAM for unit tests: it records what the guest asks of it.
//
// Guest code comes from snippets_*.S, assembled into one section of the test program and copied to kCodeBase.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/x86/soft_cpu.h"

extern "C" const unsigned char xs_snippets_begin[], xs_snippets_end[];

namespace xensim::x86 {
class FastPaths;
}

namespace xensim::x86::test {

inline constexpr uint64_t kCodeBase = 0x10000, kRamBytes = 4 << 20;
inline constexpr uint64_t kGdt = 0x2000, kIdt = 0x3000, kTss = 0x4000, kStack0 = 0x8000, kStack3 = 0x9000,
                          kStackIst = 0xa000;
inline constexpr uint64_t kPageTables = 0x100000, kData = 0x200000;
inline constexpr uint16_t kCode64 = 0x08, kData0 = 0x10, kCode32 = 0x18, kUserData = 0x23, kUserCode64 = 0x2b,
                          kUserCode32 = 0x33;
inline constexpr uint16_t kTssSelector = 0x38, kCode16 = 0x48;  // the last with base kCodeBase

class TestMachine : public CpuClient {
 public:
  explicit TestMachine(unsigned vcpus = 1, bool whole_blocks = false, bool nmi_waits_for_exit = false);
  explicit TestMachine(const SoftCpuConfig& config);

  // Guest address of a snippet.
  static uint64_t address(const unsigned char* snippet) {
    return kCodeBase + static_cast<uint64_t>(snippet - xs_snippets_begin);
  }

  // Makes vCPU 0 ready to run a snippet in that mode, at CPL 0, with flat segments, its own stack, a GDT, an IDT of
  // present gates to `handler` (if any), and a TSS.
  void real(const unsigned char* snippet, VcpuId vcpu = {0});
  void protected32(const unsigned char* snippet, const unsigned char* handler = nullptr);
  void long64(const unsigned char* snippet, const unsigned char* handler = nullptr, VcpuId vcpu = {0});
  // As before, at CPL 3.
  void user64(const unsigned char* snippet, const unsigned char* handler = nullptr);
  void user32(const unsigned char* snippet, const unsigned char* handler = nullptr);

  CpuExit run(uint64_t instructions = 100000, VcpuId vcpu = {0});
  CpuRegs regs(VcpuId vcpu = {0}) { return cpu->regs(vcpu); }
  uint64_t gpr(Gpr reg, VcpuId vcpu = {0}) { return cpu->gpr(vcpu, reg); }
  void change(const std::function<void(CpuRegs&)>& how, VcpuId vcpu = {0});
  uint64_t count(VcpuId vcpu = {0}) { return cpu->instructions(vcpu); }

  template <class T>
  T peek(uint64_t gpa) const {
    T value;
    std::memcpy(&value, ram.data() + gpa, sizeof value);
    return value;
  }
  template <class T>
  void poke(uint64_t gpa, T value) {
    std::memcpy(ram.data() + gpa, &value, sizeof value);
  }
  void set_gate64(unsigned vector, uint64_t handler, uint16_t selector = kCode64, unsigned type = 0xe, unsigned dpl = 0,
                  unsigned ist = 0);
  void set_gate32(unsigned vector, uint64_t handler, uint16_t selector = kCode32, unsigned type = 0xe,
                  unsigned dpl = 0);
  // Identity-maps [0, 4 MiB) in 4 KiB pages, all rights; page_entry gives an entry to change.
  void build_page_tables();
  uint64_t page_entry_at(uint64_t linear) const { return kPageTables + 0x3000 + (linear >> 12) * 8; }

  // CpuClient
  uint32_t port_in(VcpuId vcpu, uint16_t port, unsigned bytes) override;
  void port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) override;
  uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) override;
  void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) override;
  CpuidResult cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) override;
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr) override;
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) override;
  uint8_t cr8(VcpuId vcpu) override;
  void set_cr8(VcpuId vcpu, uint8_t value) override;
  uint64_t rdtsc(VcpuId vcpu) override;
  CpuAction hypercall(VcpuId vcpu) override;
  CpuAction point(VcpuId vcpu, Gva rip) override;
  std::optional<uint8_t> acknowledge_interrupt(VcpuId vcpu) override;
  CpuAction pause(VcpuId vcpu) override;

  std::vector<std::byte> ram_storage;
  std::span<std::byte> ram;
  std::unique_ptr<Cpu> cpu;

  // What happened: one line a call, with the instruction count, as "12 out 3f8/1 = 41".
  std::vector<std::string> log;
  std::map<uint16_t, uint32_t> port_values;
  std::map<uint32_t, uint64_t> msrs;
  uint8_t task_priority = 0;    // CR8
  std::deque<uint8_t> vectors;  // to be acknowledged
  // Called before a port write, a hypercall, a point, an MMIO write or a PAUSE is answered.
  std::function<void(VcpuId)> on_call;
  std::function<void(VcpuId)> on_tsc;
  CpuAction answer = CpuAction::kContinue;

 private:
  void note(VcpuId vcpu, const std::string& what);
  void common_tables();
  void flat(CpuRegs& regs, uint16_t code, uint16_t code_attributes, unsigned cpl);
};

// The machine's fast paths, which must be on.
const FastPaths& fast_of(const TestMachine& m);
// Runs `mov (from),%rax; mov %rax,(to)` and gives RAX.
uint64_t copy(TestMachine& m, uint64_t from, uint64_t to);
// Lets stores happen by which the engine's TLB becomes known (SoftCpu's gate), so that it is filled without the engine.
// false: it is not as expected.
[[nodiscard]] bool know_tlb(TestMachine& m);
// Sets the accessed and dirty bits of all pages that are present, and of the tables above them.
void use_pages(TestMachine& m);

}  // namespace xensim::x86::test
