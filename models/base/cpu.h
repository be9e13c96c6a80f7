// The Cpu interface: one domain's vCPUs on some engine (software x86, or real KVM). The machine drives it; everything
// that an instruction cannot do alone is asked of a CpuClient.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"

namespace xensim {

// General registers in the order of their encoding (RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15).
enum Gpr : unsigned { kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi, kR8, kR9, kR10, kR11, kR12, kR13, kR14, kR15 };

// Segment registers in the order of their encoding, then the two system ones.
enum Seg : unsigned { kEs, kCs, kSs, kDs, kFs, kGs, kTr, kLdtr, kSegCount };

struct SegmentRegister {
  uint16_t selector = 0;
  uint64_t base = 0;
  uint32_t limit = 0;  // in bytes, after the granularity bit was applied
  uint16_t attributes =
      0;  // bits 7:0 = access byte, bits 11:8 = AVL, L, D/B, G (VMCB layout, AMD APM vol. 2, appendix B)
  friend bool operator==(const SegmentRegister&, const SegmentRegister&) = default;
};

struct TableRegister {
  uint64_t base = 0;
  uint16_t limit = 0;
  friend bool operator==(const TableRegister&, const TableRegister&) = default;
};

// A vCPU's architectural state, as far as a debugger, a loader or a report wants it.
struct CpuRegs {
  std::array<uint64_t, 16> gpr{};
  uint64_t rip = 0;
  uint64_t rflags = 2;
  std::array<SegmentRegister, kSegCount> seg{};
  TableRegister gdtr, idtr;
  uint64_t cr0 = 0x60000010, cr2 = 0, cr3 = 0, cr4 = 0;
  uint64_t efer = 0;
  friend bool operator==(const CpuRegs&, const CpuRegs&) = default;
};

enum class CpuMode { kReal, kVm86, kProtected16, kProtected32, kCompat, kLong };

// Why Cpu::run returned.
enum class CpuExit {
  kSlice,      // the instruction budget is used up
  kHalt,       // HLT was executed (RIP is past it); run it again once an interrupt is due
  kSuspended,  // a client call said kSuspend: an operation is in flight; finish it with Cpu::complete_hypercall, or run
               // again
  kStopped,    // a client called request_stop()
  kShutdown,   // triple fault; `shutdown_detail` tells the chain of exceptions
  kError,      // the engine or a client failed: `Cpu::error()` says what
};

// What a client tells the CPU layer after it was asked something.
enum class CpuAction {
  kContinue,  // done: go on with the next instruction
  kSuspend,   // not done yet (hypercall), or cut here (point): leave Cpu::run with CpuExit::kSuspended
  kFault,     // raise #GP(0) (for MSRs and ports), or #UD (for a hypercall)
};

struct CpuidResult {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// What a running vCPU asks of the rest of the machine. Calls come on the engine's stack, from inside Cpu::run, for the
// vCPU that runs. Exceptions thrown here are caught at the edge and rethrown by Cpu::run. All are deterministic.
class CpuClient {
 public:
  virtual ~CpuClient() = default;
  virtual uint32_t port_in(VcpuId vcpu, uint16_t port, unsigned bytes) = 0;
  virtual void port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) = 0;
  // Accesses to ranges declared by Cpu::map_mmio; 1, 2, 4 or 8 bytes.
  virtual uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) = 0;
  virtual void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) = 0;
  // CPUID: `native` is what the CPU layer itself supports there (its feature leaves); the client may add leaves and
  // mask bits.
  virtual CpuidResult cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) = 0;
  // MSRs that the CPU layer does not hold itself (0x1b APIC_BASE, x2APIC 0x800.., hypervisor MSRs 0x40000000.., and all
  // unknown ones). nullopt or false: #GP(0).
  virtual std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr) = 0;
  virtual bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) = 0;
  // An MSR that the CPU layer holds was read or written: hypervisors serve that too.
  virtual void msr_served(VcpuId) {}
  // CR8, which is bits 7:4 of the local APIC's TPR (SDM vol. 3, 11.8.6), at MOV from and to it; 0 to 15.
  virtual uint8_t cr8(VcpuId vcpu) = 0;
  virtual void set_cr8(VcpuId vcpu, uint8_t value) = 0;
  // HLT is executed; whether the vCPU sleeps is not decided yet.
  virtual void halting(VcpuId) {}
  // The guest's TSC, at the given instruction count of this run.
  virtual uint64_t rdtsc(VcpuId vcpu) = 0;
  // VMCALL or VMMCALL, RIP still at it. kContinue: the client changed the registers through Cpu::set_gpr, RIP is
  // stepped over.
  virtual CpuAction hypercall(VcpuId vcpu) = 0;
  // An address set by Cpu::set_points is about to be executed.
  virtual CpuAction point(VcpuId vcpu, Gva rip) = 0;
  // The vCPU takes interrupts now (IF = 1, no shadow) and Cpu::raise_interrupt said there may be one: the vector to
  // deliver, acknowledged by this call; or none.
  virtual std::optional<uint8_t> acknowledge_interrupt(VcpuId vcpu) = 0;
  // PAUSE was executed (spin-wait hint). kSuspend ends the slice.
  virtual CpuAction pause(VcpuId vcpu) = 0;
};

// One engine that runs the vCPUs of one domain, one at a time. Not thread-safe; owned by the machine.
class Cpu {
 public:
  virtual ~Cpu() = default;

  // Runs vCPU `vcpu` for about `max_instructions` (exactly that many where no exit comes first: a slice is a promise of
  // determinism). May be called again after any exit but kShutdown and kError.
  virtual CpuExit run(VcpuId vcpu, uint64_t max_instructions) = 0;

  // Instructions that `vcpu` has retired since reset; exact at every client call and after every exit.
  virtual uint64_t instructions(VcpuId vcpu) const = 0;

  // Lowers the running slice's end to `more` instructions from now (a timer was armed, an earlier event became due).
  virtual void limit_slice(uint64_t more) = 0;
  // Asks the running vCPU to leave Cpu::run (kStopped) before its next instruction.
  virtual void request_stop() = 0;
  // Says that acknowledge_interrupt may have something for `vcpu`: it is asked when the vCPU next takes interrupts.
  virtual void raise_interrupt(VcpuId vcpu) = 0;

  // A non-maskable interrupt (vector 2): taken before the next instruction, whatever IF says, unless one is being
  // handled: then it waits for the next IRET, whoever's that is, and one that comes meanwhile is lost in it (SDM vol.
  // 3, 7.7.1).
  virtual void raise_nmi(VcpuId vcpu) = 0;
  // One was raised, and nothing keeps it from being taken: it ends a HLT.
  virtual bool nmi_ready(VcpuId vcpu) const = 0;

  virtual CpuRegs regs(VcpuId vcpu) const = 0;
  virtual void set_regs(VcpuId vcpu, const CpuRegs& regs) = 0;
  virtual uint64_t gpr(VcpuId vcpu, Gpr reg) const = 0;  // cheap, also inside client calls
  virtual void set_gpr(VcpuId vcpu, Gpr reg, uint64_t value) = 0;
  virtual CpuMode mode(VcpuId vcpu) const = 0;
  virtual unsigned cpl(VcpuId vcpu) const = 0;

  // Finishes a hypercall for which the client said kSuspend: RIP is stepped over the instruction. Registers were set
  // before.
  virtual void complete_hypercall(VcpuId vcpu) = 0;
  // Puts the vCPU in its state after INIT (SDM vol. 3, 10.1), halted until a SIPI; then at vector << 12 in real mode.
  virtual void init(VcpuId vcpu) = 0;
  virtual void startup(VcpuId vcpu, uint8_t vector) = 0;

  // Guest-physical memory: [gpa, gpa + host.size()) shows `host`, which must outlive the mapping. Page granular.
  virtual Status map_memory(Gpa gpa, std::span<std::byte> host, bool writable) = 0;
  virtual void unmap_memory(Gpa gpa, uint64_t bytes) = 0;
  virtual Status map_mmio(Gpa gpa, uint64_t bytes) = 0;
  // Bytes in guest RAM were changed from outside at an address that may hold translated code.
  virtual void invalidate_code(Gpa gpa, uint64_t bytes) = 0;

  // Walks the page tables of `vcpu` as its current mode has it; sets no accessed or dirty bit. nullopt: not mapped, or
  // not allowed for this access at this CPL.
  virtual std::optional<Gpa> translate(VcpuId vcpu, Gva gva, Access access) = 0;

  // Guest-virtual addresses at which CpuClient::point is called (exploration); replaces the earlier set.
  virtual Status set_points(std::span<const Gva> addresses) = 0;

  // All vCPUs as bytes, while none runs; and back, into a CPU of as many. Memory, mappings and points are not in it.
  // Bytes that are wrong (kInput) change nothing. Saving may be seen in speed alone.
  virtual std::vector<std::byte> save_state() = 0;
  virtual Status restore_state(std::span<const std::byte> bytes) = 0;

  // What went wrong (kError), or how a triple fault came about (kShutdown).
  virtual std::string error() const = 0;
};

}  // namespace xensim
