// The software CPU: one domain's vCPUs on one Unicorn engine, deterministic, with exact instruction counts.
//
// What an instruction is, for the counts: each retired instruction is one; a repeated string instruction counts one for
// each iteration, and one where it does none. HLT, IN, a hypercall and so on count when they are done; a faulting one
// does not.
//
// What is not modelled is a list in docs/software-cpu.md.
// A request that a client makes while it serves an MMIO access or RDTSC (request_stop, limit_slice, raise_interrupt)
// takes effect at the end of the engine's block of instructions; at every other call, before the next instruction. A
// request to stop is for the run() in which it is made. An MMIO access of 8 bytes comes as two of 4, the lower first.
#pragma once

#include <memory>
#include <string>

#include "models/base/cpu.h"

namespace xensim::x86 {

class HostFrames;

struct SoftCpuConfig {
  unsigned vcpus = 1;
  bool holes_read_zero = false;  // what a read gives where neither memory nor device is: zeroes, else ones
  // A slice ends at the first end of a block of instructions at or behind its limit, not at the limit itself. Much
  // faster with short slices, and still the same each time; but no vCPU is ever cut inside a block.
  bool whole_blocks = false;
  // An NMI that waited for an IRET does not come right after it, but once the vCPU takes interrupts or does what a
  // hypervisor serves: a hypercall, CPUID, an MSR, a port, a device's memory, PAUSE, HLT.
  bool nmi_waits_for_exit = false;
  // The engine is used by its public interface alone: slower, and the same. Else the paths of models/x86/fast are used
  // where why_engine_is_plain() has nothing to say and the engine's code is within reach.
  bool plain_engine = false;
  HostFrames* frames = nullptr;  // of the machine, which outlives the CPU; nullptr: a CPU with memory of its own
  std::string build_id = {};     // in tests: as if the engine's GNU build-id were this; empty: what it is
  // A jump to where no RAM lies: the vCPU stops as in HLT with interrupts off (KVM's emulator fails), else #GP (Xen).
  bool fetch_outside_ram_halts = false;
  bool settable_machine_checks = false;  // their MSRs as KVM has them, else as Xen (machine_check.h)
};

// vCPU 0 is as after power-up; the others wait for a SIPI, or for Cpu::set_regs, which also makes a vCPU ready to run.
// kEnvironment: the Unicorn that is loaded will not do. `client` must outlive the CPU.
Result<std::unique_ptr<Cpu>> make_soft_cpu(CpuClient& client, const SoftCpuConfig& config);

// Why no engine of this process has its fast paths (docs/software-cpu.md); empty: they are on.
std::string why_engine_is_plain();

}  // namespace xensim::x86
