// GuestDomain: one guest as any backend with a Cpu has it: its board, its services, Microsoft's interface where it has
// that, and what accesses, CPUID, MSRs, hypercalls, HLT and interrupts of its vCPUs come to. When a vCPU runs, on which
// thread and for how long is the backend's affair, which it is told of through DomainHost.
//
// Threads. Without a board lock: one at a time, and the host may enter the core from any of its calls. With one:
// any thread, for each function takes the lock where it touches the board, and has released it where it enters the core
// or returns. But what a vCPU asks for itself comes from the thread that runs it, and the guest is made, loaded, saved
// and restored by one thread while none runs. The Cpu of such a backend must take what concerns a vCPU that another
// thread runs: raise_interrupt, raise_nmi, nmi_ready, init, startup, changes of the memory map and of code in it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/archive.h"
#include "models/base/cpu.h"
#include "models/pc/board.h"
#include "models/xen/api/core.h"
#include "sim/guest/domain_host.h"
#include "sim/guest/domain_services.h"
#include "sim/guest/guest_files.h"
#include "sim/guest/guest_memory.h"
#include "sim/guest/viridian_guest.h"
#include "sim/scenario/ring_places.h"
#include "sim/scenario/scenario.h"

namespace xensim::sim {

// EFLAGS.IF (SDM vol. 1, 3.4.3).
inline constexpr uint64_t kRflagsIf = 1u << 9;

class GuestDomain final : private pc::BoardClient {
 public:
  // All is borrowed for as long as the domain is there, but `memory`.
  struct Setup {
    DomId id;
    const GuestConfig& config;
    const ClockConfig& clock;
    const xen::Flavour& flavour;
    GuestMemory memory;
    std::mutex* board_lock = nullptr;
  };
  // A guest without content: its memory as it is, shown to `cpu`, which is a fresh one; its devices, and its vCPUs, as
  // after power-up. kEnvironment: what the Cpu says of its host.
  static Result<std::unique_ptr<GuestDomain>> make(Setup setup, Cpu& cpu, DomainHost& host);
  // Puts what the guest begins with into its memory, and vCPU 0 at its entry. kInput where it does not fit.
  Status load(const GuestFiles& files);
  // Processors, devices and services, for a saved machine; and what else there is of each vCPU.
  void fields(StateArchive& ar);
  void vcpu_fields(StateArchive& ar, VcpuId vcpu);

  // --- what a vCPU that runs asks for, as CpuClient has it
  uint32_t port_in(VcpuId vcpu, uint16_t port, unsigned bytes);
  void port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value);
  uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes);
  void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value);
  CpuidResult cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native);
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr);
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value);
  uint8_t cr8(VcpuId vcpu);
  void set_cr8(VcpuId vcpu, uint8_t value);
  void halting(VcpuId vcpu);
  std::optional<uint8_t> acknowledge_interrupt(VcpuId vcpu);
  // Would that give a vector?
  bool has_interrupt(VcpuId vcpu);
  // Any other VM exit; those above have this in them.
  void vm_exit(VcpuId vcpu);

  // --- a hypercall instruction, in this order
  // Is it a call of Microsoft's interface? Then it is served, and over.
  bool serve_viridian_call(VcpuId vcpu);
  // What the core is given for it; then the core itself, which may take its time, without any lock; then the vCPU's
  // registers with the result, or as they were, to make a preempted call again.
  xen::HypercallRegs hypercall_regs(VcpuId vcpu) const;
  uint64_t hypercall(VcpuId vcpu, const xen::HypercallRegs& regs);
  void finish_hypercall(VcpuId vcpu, uint64_t result);

  // --- HLT
  // The vCPU has executed it (CpuExit::kHalt); is in it; and leaves it if something has come. true: it did.
  void enter_halt(VcpuId vcpu);
  bool halted(VcpuId vcpu) const {
    const BoardGuard guard(*this);
    return vcpus_[vcpu.v].halted;
  }
  bool leave_halt(VcpuId vcpu);
  // Blocks it in the core; false: something has come meanwhile. With threads something may come after that look and
  // before the vCPU is blocked, and wakes nobody: the backend looks once more, by leave_halt(), before its thread
  // sleeps.
  bool sleep(VcpuId vcpu);

  // --- what others do to it. From Platform, inside a call of the core:
  void assert_vector(VcpuId vcpu, uint8_t vector);
  bool lapic_enabled(VcpuId vcpu);
  void set_gsi(uint32_t gsi, bool level);
  void start_vcpu(VcpuId vcpu, const xen::VcpuStart& start);
  // `page`: the host's, of the frame that is shown there; empty: a hole.
  void set_mapping(Gfn gfn, std::span<std::byte> page, bool writable);
  // A timer that was armed at the host is due.
  void timer_expired(uint32_t timer);
  // A service behind this port was notified; and input for a console. true: notify the guest (input: on the console's
  // port).
  bool serve(Port port);
  bool take_input(std::string_view text);

  // The guest said in another way that it crashes: its shutdown is a crash.
  bool crashed() const;
  // The vCPU in words, for a report of its failure.
  std::string report(VcpuId vcpu, const pc::SymbolTable& symbols) const;

 private:
  struct Vcpu {
    bool halted = false;  // in HLT. Under the board lock
  };
  // Holds the board lock, where there is one.
  class [[nodiscard]] BoardGuard {
   public:
    explicit BoardGuard(const GuestDomain& domain) : lock_(domain.setup_.board_lock) {
      if (lock_ != nullptr) lock_->lock();
    }
    ~BoardGuard() {
      if (lock_ != nullptr) lock_->unlock();
    }
    BoardGuard(const BoardGuard&) = delete;
    BoardGuard& operator=(const BoardGuard&) = delete;

   private:
    std::mutex* const lock_;
  };

  GuestDomain(Setup setup, Cpu& cpu, DomainHost& host);
  Status map();
  void make_services();
  void wrote_page(Gpa page);
  VcpuRef ref(VcpuId vcpu) const { return {setup_.id, vcpu}; }
  pc::LocalApic& apic(VcpuId vcpu) { return board_.apic(vcpu); }
  bool deliverable(VcpuId vcpu);
  bool apic_deliverable(VcpuId vcpu);
  void follow_apic(VcpuId vcpu);
  CpuidResult hypervisor_cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf);
  std::optional<uint64_t> read_any_msr(VcpuId vcpu, uint32_t msr);
  bool write_any_msr(VcpuId vcpu, uint32_t msr, uint64_t value);
  bool latches_mode64(VcpuId vcpu) const;
  template <class Event>
  void record(const Event& event) {
    if (traces::EventWriter* writer = host_.events()) writer->write(event);
  }

  // pc::BoardClient. Under the board lock.
  VirtualNs now() const override { return host_.now(); }
  void arm(uint32_t timer, VirtualNs deadline) override { host_.arm_timer(timer, deadline); }
  void cancel(uint32_t timer) override { host_.cancel_timer(timer); }
  void set_irq(unsigned, bool) override {}  // no controller for lines: guests without one poll the UART
  void console_output(pc::ConsoleSource source, uint8_t byte) override;
  void test_exit(uint32_t value) override { host_.test_exit(value); }
  void power_off() override { host_.end(xen::ShutdownReason::kPoweroff); }
  void reset() override { host_.end(xen::ShutdownReason::kReboot); }
  void interrupt_ready(VcpuId vcpu) override;
  void init(VcpuId vcpu) override;
  void startup(VcpuId vcpu, uint8_t vector) override;
  void nmi(VcpuId vcpu) override;
  void software_enabled(VcpuId vcpu) override { host_.lapic_enabled(vcpu); }

  // Fixed.
  const Setup setup_;
  const RingPlaces rings_;
  // Glue.
  Cpu& cpu_;
  DomainHost& host_;
  bool core_asserts_ = false;  // assert_vector is under way. Under the board lock
  // Volatile.
  pc::Board board_;                           // under the board lock, as the next two
  std::unique_ptr<DomainServices> services_;  // none on a bare platform
  std::unique_ptr<ViridianGuest> viridian_;   // GuestConfig::viridian
  std::vector<Vcpu> vcpus_;
};

}  // namespace xensim::sim
