// See vcpu_report.h.
#include "sim/guest/vcpu_report.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace xensim::sim {

namespace {

constexpr unsigned kStackWords = 256;  // looked at
constexpr unsigned kMostFrames = 16;   // shown

const char* mode_name(CpuMode mode) {
  switch (mode) {
    case CpuMode::kReal: return "real mode";
    case CpuMode::kVm86: return "virtual-8086 mode";
    case CpuMode::kProtected16: return "16-bit protected mode";
    case CpuMode::kProtected32: return "32-bit protected mode";
    case CpuMode::kCompat: return "compatibility mode";
    case CpuMode::kLong: return "64-bit mode";
  }
  return "";
}

std::string registers(const CpuRegs& regs) {
  static constexpr std::array kNames = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  std::string text;
  for (size_t i = 0; i < kNames.size(); ++i) {
    text += fmt::format("  {:>3} {:016x}{}", kNames[i], regs.gpr[i], i % 4 == 3 ? "\n" : "");
  }
  static constexpr std::array kSegments = {"es", "cs", "ss", "ds", "fs", "gs", "tr", "ldtr"};
  text += fmt::format("  cr0 {:016x}  cr2 {:016x}  cr3 {:016x}  cr4 {:016x}\n", regs.cr0, regs.cr2, regs.cr3, regs.cr4);
  text += fmt::format("  rflags {:08x}  efer {:x}  idtr {:x}+{:x}  gdtr {:x}+{:x}\n  ", regs.rflags, regs.efer,
                      regs.idtr.base, regs.idtr.limit, regs.gdtr.base, regs.gdtr.limit);
  for (size_t i = 0; i < kSegments.size(); ++i) text += fmt::format("{} {:04x}  ", kSegments[i], regs.seg[i].selector);
  return text + "\n";
}

}  // namespace

// Guests are built without frame pointers: each stack word that is a known code address may be a return address.
std::string describe_vcpu(Cpu& cpu, VcpuId vcpu, const pc::SymbolTable& symbols, const GuestMemory& memory) {
  const CpuRegs regs = cpu.regs(vcpu);
  const CpuMode mode = cpu.mode(vcpu);
  std::string text = fmt::format("  at rip {:#x} {} ({}, CPL {})\n", regs.rip, symbols.describe(Gva{regs.rip}),
                                 mode_name(mode), cpu.cpl(vcpu));
  text += registers(regs);
  text += "  stack (return addresses, by symbol):\n";
  const unsigned width = mode == CpuMode::kLong ? 8 : 4;
  const uint64_t base = mode == CpuMode::kReal ? regs.seg[kSs].base : 0;
  unsigned frames = 0;
  for (unsigned i = 0; i < kStackWords && frames < kMostFrames; ++i) {
    const Gva at{base + regs.gpr[kRsp] + uint64_t{i} * width};
    const auto gpa = cpu.translate(vcpu, at, Access::kRead);
    if (!gpa) break;
    const auto bytes = memory.at(*gpa, sizeof(uint64_t));
    if (bytes.empty()) break;
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    const Gva address{width == 8 ? word : word & 0xffffffff};
    const auto symbol = symbols.find(address);
    if (!symbol) continue;
    text += fmt::format("    {:016x}: {:#x} {}+{:#x}\n", at.v, address.v, symbol->name, symbol->offset);
    ++frames;
  }
  if (frames == 0) text += "    none\n";
  return text;
}

}  // namespace xensim::sim
