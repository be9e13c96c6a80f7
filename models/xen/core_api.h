// CoreApi: the entry points of the core. The machine calls them; the recorder is a decorator of this interface and of
// Platform.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"
#include "models/xen/abi/regs.h"
#include "models/xen/platform.h"

namespace xensim::xen {

// A range of a domain's RAM and where it lies in machine memory.
struct RamRange {
  Gpa start;
  uint64_t bytes = 0;
  Maddr base;
};

struct DomainConfig {
  DomId id;
  uint32_t vcpus = 1;  // 1 to 128 (hvm_info_table.h, HVM_MAX_VCPUS)
  std::vector<RamRange> ram;
  uint32_t max_event_channels = 1023;  // xl's default: highest port number
  uint32_t reserved_ports = 2;         // taken by xenstore (1) and console (2) at creation, as xl does
  uint32_t max_grant_frames = 64;
  uint32_t max_maptrack_frames = 1024;
  bool privileged = false;  // the host-kernel domain
};

// An upcall that a vCPU shall take now through its IDT.
struct PendingUpcall {
  uint8_t vector = 0;
};

struct XenCpuidResult {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

class CoreApi {
 public:
  virtual ~CoreApi() = default;

  // A domain appears, its vCPU 0 up and the others down. kInput for values out of range.
  virtual Status create_domain(const DomainConfig& config) = 0;

  // A hypercall; gives RAX. A vCPU that blocked itself is no longer runnable afterwards.
  virtual uint64_t hypercall(VcpuRef vcpu, const HypercallRegs& regs) = 0;
  // The hypervisor's MSRs. false: #GP(0). `mode64`: the vCPU's bitness, latched by the hypercall-page MSR.
  virtual bool write_msr(VcpuRef vcpu, uint32_t msr, uint64_t value, bool mode64) = 0;
  virtual std::optional<uint64_t> read_msr(VcpuRef vcpu, uint32_t msr) = 0;
  // Leaves 0x40000000 and up; nullopt: not a hypervisor leaf.
  virtual std::optional<XenCpuidResult> cpuid(VcpuRef vcpu, uint32_t leaf, uint32_t subleaf) = 0;

  // HLT by the guest. With interrupts off (RFLAGS.IF = 0) Xen takes the vCPU down; the last one down is a poweroff.
  virtual void halt(VcpuRef vcpu, bool interrupts_enabled) = 0;
  // A local APIC interrupt, INIT or SIPI arrived for the vCPU: it is unblocked (and, `bring_up`, no longer down).
  virtual void wake(VcpuRef vcpu, bool bring_up) = 0;
  // May the vCPU run guest code now?
  virtual bool is_runnable(VcpuRef vcpu) = 0;
  // The upcall the vCPU would take if it took interrupts now (callback type vector); asked after a kick.
  virtual std::optional<PendingUpcall> pending_upcall(VcpuRef vcpu) = 0;
  // The vCPU's local APIC was software-enabled: a pending upcall by per-vCPU vector is asserted again.
  virtual void lapic_enabled(VcpuRef vcpu) = 0;
  // The vCPU is about to run again after it was blocked or preempted, or starts: time areas are brought up to date.
  virtual void before_run(VcpuRef vcpu) = 0;
  // The vCPU could go on, but its processor was given to another: time from now on is stolen from it.
  virtual void preempted(VcpuRef vcpu) = 0;

  virtual void timer_expired(TimerId id) = 0;
  // An event from outside the machine (an eventfd, a backend) on a local port. -ESRCH, -EINVAL or 0.
  virtual int external_event(DomId dom, Port port) = 0;
  // The toolstack lets a domain that shut down for a soft reset run on (soft_reset.h). No vCPU of it may be inside the
  // core. -ESRCH, -EINVAL or 0.
  virtual int soft_reset(DomId dom) = 0;
};

// What is wrong with the core's state now, if anything; looked at while nobody is inside the core. No scheduling
// points.
struct LostEvent {
  VcpuRef vcpu;
  Port port;
  std::string why;
};

}  // namespace xensim::xen
