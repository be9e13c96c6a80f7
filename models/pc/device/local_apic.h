// A vCPU's local APIC: registers through xAPIC MMIO and x2APIC MSRs, IPIs, the timer, errors (SDM vol. 3, chapter 11).
//
// One per vCPU, owned by the board. SMI and ExtINT are not modelled. A guest's mistake is what the manual says: #GP for
// an MSR, a bit in the error status register. Where Xen and KVM differ from each other, ApicQuirks says which it is.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/pc/device/apic_bus.h"
#include "models/pc/device/apic_timer.h"
#include "models/pc/device/device.h"

namespace xensim::pc {

inline constexpr Gpa kApicDefaultBase{0xfee00000};
inline constexpr uint64_t kApicMmioBytes = 0x1000;
inline constexpr uint32_t kMsrApicBase = 0x1b;
inline constexpr uint32_t kMsrTscDeadline = 0x6e0;
inline constexpr uint32_t kMsrX2apicFirst = 0x800;
inline constexpr uint32_t kMsrX2apicLast = 0x8ff;

// Bits of the APIC_BASE MSR.
inline constexpr uint64_t kApicBaseBsp = 1u << 8;
inline constexpr uint64_t kApicBaseX2apic = 1u << 10;
inline constexpr uint64_t kApicBaseEnable = 1u << 11;

// What an APIC does to its processor. Calls come from inside the access, IPI or timer that caused them.
class ApicClient {
 public:
  virtual ~ApicClient() = default;
  // LocalApic::acknowledge may have a vector now; also called when it was so already.
  virtual void interrupt_ready(VcpuId vcpu) = 0;
  // INIT: its APIC has been reset. SIPI: to be ignored where the vCPU does not wait for one.
  virtual void init(VcpuId vcpu) = 0;
  virtual void startup(VcpuId vcpu, uint8_t vector) = 0;
  virtual void nmi(VcpuId vcpu) = 0;
  // The guest set the software enable bit, which was clear.
  virtual void software_enabled(VcpuId vcpu) = 0;
};

// A word in guest memory by which a guest ends an interrupt without an exit: it clears the word, and writes no EOI
// (Hypervisor Top Level Functional Specification, 10.3.5). Calls come from inside the APIC's own functions.
class EoiAssist {
 public:
  virtual ~EoiAssist() = default;
  virtual void offer(VcpuId vcpu) = 0;     // the interrupt in service may be ended so
  virtual bool taken(VcpuId vcpu) = 0;     // it was offered, and the guest cleared the word: true once
  virtual void withdraw(VcpuId vcpu) = 0;  // an EOI is needed
};

// What the error status register shows.
enum class ApicErrors {
  kLatched,  // what came since the last write but one (SDM 11.5.3)
  kSticky,   // bad vectors at once, and for ever: a write clears nothing. Bad registers are no error
  kNone,     // nothing, and no error interrupts
};

// Where hypervisors differ.
struct ApicQuirks {
  bool movable = false;  // the page follows the address in APIC_BASE; else another one is refused in xAPIC mode (#GP)
  // Disabled by APIC_BASE it keeps its registers, and its timer counts; else both are lost, as after a reset.
  bool keeps_registers = false;
  bool tpr_is_cr8 = false;  // TPR holds what CR8 can: bits 3:0 read 0
  ApicErrors errors = ApicErrors::kLatched;
};

struct ApicConfig {
  VcpuId vcpu;             // also the number of its timer
  uint32_t apic_id = 0;    // xAPIC mode shows the low 8 bits
  bool bootstrap = false;  // the BSP flag of APIC_BASE
  bool x2apic = true;      // else x2APIC mode cannot be entered (#GP)
  ApicQuirks quirks{};
  uint64_t bus_hz = 1'000'000'000;
  uint64_t tsc_hz = 1'000'000'000;
};

class LocalApic : public SavedDevice {
 public:
  // Attaches itself to `bus`. All references must outlive it.
  LocalApic(const ApicConfig& config, ApicBus& bus, ApicClient& client, const Clock& clock, DeviceTimers& timers);
  LocalApic(const LocalApic&) = delete;
  LocalApic& operator=(const LocalApic&) = delete;

  // The highest vector that the priorities allow: it goes from IRR to ISR. Nothing while disabled in hardware or
  // software.
  std::optional<uint8_t> acknowledge();
  bool has_deliverable();

  // An interrupt at this APIC. Ignored while disabled; a vector below 16 is a receive error. `level`: its bit in the
  // trigger mode register is set, and its EOI goes to the IO-APICs (SDM 11.8.4, 11.8.5); else the bit is cleared.
  void assert_vector(uint8_t vector, bool level = false);

  // The machine's call at the time that was armed.
  void timer_expired();

  // `offset` in the 4 KiB page. Registers are 32 bits wide, at multiples of 16: a read inside one gives its bytes, a
  // write must be all of it, else it vanishes. Out of xAPIC mode reads give all ones and writes vanish.
  uint64_t mmio_read(uint64_t offset, unsigned bytes);
  void mmio_write(uint64_t offset, unsigned bytes, uint64_t value);

  // APIC_BASE, TSC_DEADLINE, 0x800..0x8ff. nullopt or false: #GP(0), also for any other MSR.
  std::optional<uint64_t> rdmsr(uint32_t msr);
  bool wrmsr(uint32_t msr, uint64_t value);

  bool hardware_enabled() const { return (state_.apic_base & kApicBaseEnable) != 0; }
  bool x2apic_mode() const { return (state_.apic_base & kApicBaseX2apic) != 0; }
  bool software_enabled() const { return hardware_enabled() && (state_.svr & kSvrEnable) != 0; }
  // Where its page is, in xAPIC mode; nullopt in any other.
  std::optional<Gpa> page() const {
    if (!hardware_enabled() || x2apic_mode()) return std::nullopt;
    return Gpa{state_.apic_base & kBaseAddress};
  }
  uint32_t id() const { return config_.apic_id; }
  VcpuId vcpu() const { return config_.vcpu; }

  // The task priority as CR8 shows it: bits 7:4 of TPR. A write leaves bits 3:0 alone, as hypervisors do.
  uint8_t cr8() const { return static_cast<uint8_t>(state_.tpr >> 4); }
  void set_cr8(uint8_t value) { write_tpr((value & 0xfu) << 4 | (state_.tpr & 0xf)); }

  uint8_t processor_priority() const;  // PPR

  // A register by its offset in the page, whatever the mode: for hypervisors that have other ways to it. 0 where there
  // is none; a write is as one to the page.
  uint32_t register_at(uint64_t offset) const { return read_register(static_cast<uint32_t>(offset >> 4)).value_or(0); }
  void set_register(uint64_t offset, uint32_t value) { write_register(static_cast<uint32_t>(offset >> 4), value); }

  // Edge-triggered interrupts may be ended by `assist`, which must outlive the APIC; nullptr: by an EOI alone.
  void set_eoi_assist(EoiAssist* assist) { assist_ = assist; }

  // The guest's TSC is the virtual time's plus `offset` (for TSC deadlines).
  void set_tsc_offset(uint64_t offset) { timer_.set_tsc_offset(offset); }

  // Bus side. Whether a destination names this APIC; and the arrival of a message (lowest priority comes as kFixed).
  bool matches(bool logical, uint32_t destination) const;
  void accept(DeliveryMode mode, uint8_t vector, bool level);

  void save(std::vector<std::byte>& out) const override;
  Status restore(std::span<const std::byte>& in) override;

 private:
  using Bitmap = std::array<uint32_t, 8>;
  enum Lvt : unsigned { kLvtTimer, kLvtThermal, kLvtPerf, kLvtLint0, kLvtLint1, kLvtError, kLvtCount };
  static constexpr uint32_t kSvrEnable = 1u << 8;
  static constexpr uint32_t kLvtMasked = 1u << 16;
  static constexpr uint64_t kBaseAddress = 0x000000fffffff000;  // of APIC_BASE: the processor has 40 address bits

  struct State {
    uint64_t apic_base = 0;
    Bitmap irr{};
    Bitmap isr{};
    Bitmap tmr{};
    uint32_t tpr = 0;
    uint32_t ldr = 0;
    uint32_t dfr = 0xffffffff;
    uint32_t svr = 0xff;
    uint32_t esr = 0;             // as latched by the last write to it
    uint32_t pending_errors = 0;  // since then
    uint32_t icr_low = 0;
    uint32_t icr_high = 0;
    std::array<uint32_t, kLvtCount> lvt{kLvtMasked, kLvtMasked, kLvtMasked, kLvtMasked, kLvtMasked, kLvtMasked};
  };

  // The SDM's register numbers: MMIO offset >> 4, and MSR - 0x800.
  std::optional<uint32_t> read_register(uint32_t index) const;
  void write_register(uint32_t index, uint32_t value);
  std::optional<uint64_t> read_x2apic(uint32_t index) const;
  bool write_x2apic(uint32_t index, uint64_t value);
  bool write_apic_base(uint64_t value);

  void write_tpr(uint32_t value);
  void write_svr(uint32_t value);
  void write_lvt(unsigned lvt, uint32_t value);
  void write_esr();
  void end_of_interrupt();
  void end_highest();
  void send_ipi();
  void self_ipi(uint8_t vector);
  void report_error(uint32_t bit);
  void fire_lvt(unsigned lvt);
  void reset_registers();
  void notify();

  // Fixed.
  const ApicConfig config_;
  // Glue.
  ApicBus& bus_;
  ApicClient& client_;
  EoiAssist* assist_ = nullptr;
  // Volatile.
  ApicTimer timer_;
  State state_;
};

}  // namespace xensim::pc
