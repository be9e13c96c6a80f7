// CoreApi: the entry points of the core. The machine calls them; the recorder is a decorator of this interface and of
// Platform.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/base/result.h"
#include "models/base/types.h"
#include "models/xen/abi/regs.h"
#include "models/xen/api/platform.h"

namespace xensim::xen {

inline constexpr uint32_t kHvmParamCount = 39;  // hvm/params.h, HVM_NR_PARAMS

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
  bool pic = false;                    // PIC and IO-APIC, as type=hvm has them: callbacks by GSI and PCI INTx
  uint32_t max_event_channels = 1023;  // xl's default: highest port number
  uint32_t reserved_ports = 2;         // taken by xenstore (1) and console (2) at creation, as xl does
  uint32_t max_grant_frames = 64;
  uint32_t max_maptrack_frames = 1024;
  bool empty_grant_table = false;  // begins with no frame, else with one
  bool privileged = false;         // the host-kernel domain
  bool emulated_pirqs = false;     // PHYSDEVOPs, as a type=hvm domain has them
  uint32_t pirqs = 56;             // how many it has, at most 256
  bool restored = false;           // for restore_state alone: its pages are there already, and its fields follow
};

// An upcall that a vCPU shall take now through its IDT.
struct PendingUpcall {
  uint8_t vector = 0;
};

struct XenCpuidResult {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// What the host's kernel asks for a backend that runs outside any guest, in the name of the domain `host`, which must
// be privileged. Ports are the host's; `guest` is the domain whose grant or port it is about.
enum class HostOpKind : uint8_t {
  kMapGrant,       // number: grant reference. Gives a handle and where the page is
  kUnmapGrant,     // number: handle
  kCopyFromGrant,  // number: grant reference. Fills `buffer` from `offset` on
  kCopyToGrant,    // number: grant reference. Writes `data` from `offset` on
  kBindPort,       // number: the guest's unbound port. Gives a port of the host's that is listened to
  kListen,         // number: a port of the host's. From now on its events go to Platform::host_event
  kIgnore,         // number: a port that is listened to: no longer
  kNotify,         // number: a port that is listened to; every other one is refused with -ENOENT
  kDestroyDomain,  // the guest ends at once and for good; none of its vCPUs may be inside the core
};

struct HostOp {
  HostOpKind kind = HostOpKind::kMapGrant;
  DomId host{};
  DomId guest{};
  uint32_t number = 0;
  uint32_t offset = 0;    // bytes into the page
  bool readonly = false;  // of a mapping
  std::span<const std::byte> data{};
  std::span<std::byte> buffer{};
};

struct HostResult {
  int32_t status = 0;  // of grants GNTST_*, else 0 or a negative errno; -ESRCH, -EPERM: no such host, not privileged
  uint32_t number = 0;
  Maddr at{};
};

class CoreApi {
 public:
  virtual ~CoreApi() = default;

  // A domain appears, its vCPU 0 up and the others down. kInput for values out of range.
  virtual Status create_domain(const DomainConfig& config) = 0;

  // The toolstack sets a parameter of a domain that was created (hvm/params.h, HVM_PARAM_*), as it likes.
  // `index` is below kHvmParamCount.
  virtual void set_hvm_param(DomId dom, uint32_t index, uint64_t value) = 0;

  // A hypercall; gives RAX. A vCPU that blocked itself is no longer runnable afterwards.
  virtual uint64_t hypercall(VcpuRef vcpu, const HypercallRegs& regs) = 0;
  // The registers of the vCPU's last hypercall if it was preempted: the vCPU has to execute its hypercall instruction
  // again with number and arguments as they are here, once it took the upcall that is pending; its other registers
  // stay, RAX is the number. nullptr: the call is over. Valid until the vCPU's next hypercall.
  virtual const HypercallRegs* continuation_of(VcpuRef vcpu) = 0;
  // The hypervisor's MSRs. false: #GP(0). `mode64`: does the hypercall-page MSR latch the 64-bit layouts? By the vCPU's
  // mode, which is not the core's to know (trait hypercall_page_latches_long_mode).
  virtual bool write_msr(VcpuRef vcpu, uint32_t msr, uint64_t value, bool mode64) = 0;
  virtual std::optional<uint64_t> read_msr(VcpuRef vcpu, uint32_t msr) = 0;
  // Leaves 0x40000000 and up; nullopt: not a hypervisor leaf.
  virtual std::optional<XenCpuidResult> cpuid(VcpuRef vcpu, uint32_t leaf, uint32_t subleaf) = 0;

  // HLT was executed, be it that the vCPU sleeps or that something waits for it: upcalls are unmasked (trait
  // halt_keeps_mask). While CoreInspector::halt_unmasks says no, there is no need to ask.
  virtual void before_halt(VcpuRef vcpu) = 0;
  // HLT by the guest. With interrupts off (RFLAGS.IF = 0) Xen takes the vCPU down; the last one down is a poweroff.
  virtual void halt(VcpuRef vcpu, bool interrupts_enabled) = 0;
  // A local APIC interrupt, INIT or SIPI arrived for the vCPU: it is unblocked (and, `bring_up`, no longer down).
  virtual void wake(VcpuRef vcpu, bool bring_up) = 0;
  // May the vCPU run guest code now?
  virtual bool is_runnable(VcpuRef vcpu) = 0;
  // The upcall the vCPU would take if it took interrupts now (callback type vector); asked after a kick, and when
  // CoreInspector says so each time that the vCPU came to the hypervisor.
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
  virtual HostResult host_op(const HostOp& op) = 0;
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
  // Nobody can still see to it: no vCPU of the domain is awake, which might have unmasked the event by hand and be
  // about to look; nor is it a wake-up that the flavour is known to forget.
  bool settled = true;
};

}  // namespace xensim::xen
