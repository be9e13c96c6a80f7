// Microsoft's interface of a hypervisor to its guests ("viridian"), as Xen 4.17 offers it to a type=hvm domain with
// xl.cfg(5) `viridian=`: CPUID leaves from 0x40000000 on, model-specific registers, hypercalls. Xen's own leaves and
// its MSR lie 0x100 and 0x200 higher then (Hypervisor Top Level Functional Specification, "TLFS", 2.4, 3, 7.8, 10).
//
// One object a domain, owned by its backend; not thread-safe. A guest's mistake is what Xen answers: #GP for an MSR, a
// status word for a call. Not there: groups stimer (with the synthetic interrupt controller) and ex_processor_masks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "models/base/cpu.h"
#include "models/base/result.h"
#include "models/pc/device/device.h"
#include "models/pc/device/local_apic.h"
#include "models/viridian/groups.h"

namespace xensim::viridian {

// Where Xen's own numbers are for such a domain.
inline constexpr uint32_t kXenLeavesOffset = 0x100;
inline constexpr uint32_t kXenMsr = 0x40000200;

// What the interface needs of the domain around it. Calls come from inside the access or call that needs them.
class Client {
 public:
  virtual ~Client() = default;
  virtual pc::LocalApic& apic(VcpuId vcpu) = 0;
  // All vCPUs' TLBs.
  virtual void flush_tlbs() = 0;
  // The guest's TSC now.
  virtual uint64_t tsc() = 0;
  // Guest-physical memory; false, and nothing done, where it is not RAM all through.
  virtual bool read_memory(Gpa from, std::span<std::byte> to) = 0;
  virtual bool write_memory(Gpa to, std::span<const std::byte> from) = 0;
};

struct Config {
  uint32_t groups = kDefaults;
  uint32_t vcpus = 1;              // at most 128
  uint64_t tsc_khz = 1'000'000;    // at least 1
  uint64_t apic_hz = 100'000'000;  // the local APIC's bus clock
};

// Registers of a call: 64-bit RCX, RDX, R8; 32-bit EDX:EAX, EBX:ECX, EDI:ESI.
struct Call {
  uint64_t input = 0;  // TLFS 3.7: code, fast, repeats
  uint64_t in = 0, out = 0;
};

class Viridian final : public pc::SavedDevice, public pc::EoiAssist {
 public:
  // `client` must outlive it. With group apic_assist the backend gives this to each LocalApic (set_eoi_assist).
  Viridian(const Config& config, Client& client);

  // Leaves 0x40000000 to 0x400000ff.
  CpuidResult cpuid(uint32_t leaf) const;

  // MSRs 0x40000000 to 0x400001ff. nullopt or false: #GP(0).
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr);
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value);

  // A call with bit 31 of EAX set, at CPL 0: the output word (TLFS 3.7).
  uint64_t call(const Call& call);
  // The last call was HvNotifyLongSpinWait: the vCPU gives its turn away.
  bool wants_yield() const { return yield_; }
  // The guest has said by its crash registers that it crashed: however it shuts down now, it is a crash.
  bool crashed() const { return state_.crashed != 0; }

  // The word of a vCPU's assist page by which EOIs are left out (TLFS 10.3.5).
  void offer(VcpuId vcpu) override;
  bool taken(VcpuId vcpu) override;
  void withdraw(VcpuId vcpu) override;

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  static constexpr size_t kCrashParameters = 5;
  struct VcpuState {
    uint64_t assist_msr = 0;
    uint64_t assist_page = 0;  // where its word is written, once it was enabled; 0: nowhere
    uint64_t offered = 0;      // an EOI may be left out, and was not yet
    std::array<uint64_t, kCrashParameters> crash{};
  };
  struct State {
    uint64_t guest_os_id = 0;
    uint64_t hypercall_msr = 0;
    uint64_t reference_tsc_msr = 0;
    uint64_t crashed = 0;
  };

  bool has(uint32_t group) const { return (config_.groups & group) != 0; }
  VcpuState& vcpu(VcpuId id) { return vcpus_.at(id.v); }
  uint64_t reference_time();
  void write_hypercall_page();
  void write_reference_tsc_page();
  void write_assist(VcpuState& self, uint32_t value);
  void set_assist_page(VcpuState& self, uint64_t value);
  bool flush(const Call& call, bool sparse);
  bool send_ipi(const Call& call, bool sparse);
  bool read_vp_set(Gpa at, std::vector<bool>& chosen);

  // Fixed.
  const Config config_;
  // Glue.
  Client& client_;
  bool yield_ = false;
  // Volatile.
  State state_;
  std::vector<VcpuState> vcpus_;
};

}  // namespace xensim::viridian
