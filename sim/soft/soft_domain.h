// SoftDomain: one guest of a SoftMachine; what its vCPUs ask for while they run.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/base/cpu.h"
#include "models/pc/board.h"
#include "sim/soft/domain_services.h"
#include "sim/soft/guest_files.h"
#include "sim/soft/soft_machine.h"
#include "sim/soft/viridian_guest.h"

namespace xensim::sim {

class SoftDomain final : public CpuClient, public pc::BoardClient {
 public:
  // Borrows the machine; `index` of its domain.
  static Result<std::unique_ptr<SoftDomain>> make(SoftMachine& machine, size_t index, bool restored);
  ~SoftDomain() override;

  // A fresh engine, devices and memory, and vCPU 0 at the image's entry.
  Status start();
  // The same with nothing in it: memory as it is, vCPUs as after power-up. For fields() to restore into.
  Status make_hardware();
  // Processors, devices and services, for a saved machine.
  void fields(StateArchive& ar);
  void run(Actor& actor);
  void finish_entry(Actor& actor);
  std::string report(const Actor& actor) const;
  uint64_t instructions() const;
  void limit_slice();
  void share_turn();
  // The core asserts a vector in the vCPU's local APIC, and wakes the vCPU itself.
  void assert_vector(VcpuId vcpu, uint8_t vector);

  Cpu& cpu() { return *cpu_; }
  pc::Board& board() { return *board_; }
  pc::LocalApic& apic(VcpuId vcpu) { return board_->apic(vcpu); }
  void set_mapping(Gfn gfn, Maybe<Mfn> frame, bool writable);
  void start_vcpu(VcpuId vcpu, const xen::VcpuStart& start);
  void inject_nmi(VcpuId vcpu);
  // Its processor goes to another vCPU.
  void preempt(VcpuId vcpu);

  // A service behind this port was notified; and input for a console. true: notify the guest (input: on the console's
  // port).
  bool serve(Port port);
  // The guest said in another way that it crashes: its shutdown is a crash.
  bool crashed() const { return viridian_ && viridian_->crashed(); }
  bool take_input(std::string_view text);

  // CpuClient
  uint32_t port_in(VcpuId vcpu, uint16_t port, unsigned bytes) override;
  void port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) override;
  uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) override;
  void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) override;
  CpuidResult cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) override;
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr) override;
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) override;
  void msr_served(VcpuId vcpu) override { leave_guest(vcpu); }
  uint8_t cr8(VcpuId vcpu) override;
  void set_cr8(VcpuId vcpu, uint8_t value) override;
  void halting(VcpuId vcpu) override;
  uint64_t rdtsc(VcpuId vcpu) override;
  CpuAction hypercall(VcpuId vcpu) override;
  CpuAction point(VcpuId vcpu, Gva rip) override;
  std::optional<uint8_t> acknowledge_interrupt(VcpuId vcpu) override;
  CpuAction pause(VcpuId vcpu) override;

  // ApicClient
  void interrupt_ready(VcpuId vcpu) override;
  void init(VcpuId vcpu) override;
  void startup(VcpuId vcpu, uint8_t vector) override;
  void nmi(VcpuId vcpu) override;
  void software_enabled(VcpuId vcpu) override;

  // pc::BoardClient, the rest of it
  VirtualNs now() const override;
  void arm(uint32_t timer, VirtualNs deadline) override;
  void cancel(uint32_t timer) override;
  void set_irq(unsigned, bool) override {}  // there is no interrupt controller for lines yet: guests poll the UART
  void console_output(pc::ConsoleSource source, uint8_t byte) override;
  void test_exit(uint32_t value) override;
  void power_off() override;
  void reset() override;

 private:
  // A point at which an upcall was taken: when the handler returns there, it is not passed again.
  struct InterruptedPoint {
    uint64_t rip;
    uint64_t rsp;
  };
  struct Vcpu {
    SoftDomain* domain = nullptr;
    Actor* actor = nullptr;
    uint64_t accounted = 0;  // instructions that are in the virtual time
    bool halted = false;     // in HLT
    bool was_blocked = false;
    bool hypercall_in_flight = false;
    unsigned pauses = 0;                         // PAUSEs in this turn
    uint64_t result = 0;                         // of the hypercall
    const pc::GuestPoint* stopped_at = nullptr;  // cut at this point; its event is still to be written
    uint64_t stopped_instructions = 0;
    std::vector<InterruptedPoint> interrupted;
  };

  SoftDomain(SoftMachine& machine, size_t index) : machine_(machine), index_(index) {}
  VcpuRef ref(VcpuId vcpu) const;
  DueId due_id(uint32_t timer) const;
  uint32_t apic_id_step() const;
  // The guest's memory there; empty where it has none.
  std::span<std::byte> memory_at(Gpa gpa, uint64_t bytes) const;
  void wrote_page(Gpa page);
  Result<CpuRegs> place() const;
  Domain& domain() const;
  Vcpu& state(VcpuId vcpu) { return vcpus_.at(vcpu.v); }
  void sync(VcpuId vcpu);
  void leave_guest(VcpuId vcpu);
  void follow_apic(VcpuId vcpu);
  void make_viridian();
  CpuidResult hypervisor_cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf);
  std::optional<uint64_t> read_any_msr(VcpuId vcpu, uint32_t msr);
  bool write_any_msr(VcpuId vcpu, uint32_t msr, uint64_t value);
  void machine_point(const PointKey& key) { machine_.point(key); }
  static void hypercall_entry(void* vcpu);
  bool resume_hypercall(Vcpu& vcpu);
  bool go_on_with_hypercall(Vcpu& vcpu);
  void set_result(Vcpu& vcpu);
  bool interrupt_deliverable(Vcpu& vcpu);
  bool latches_mode64(VcpuId vcpu) const;
  void after_halt(Vcpu& vcpu);
  const pc::GuestPoint* find_point(Gva rip) const;
  void write_point_event(const pc::GuestPoint& point);
  bool whole_guest() const;
  bool alone() const;
  bool ends_turn(Vcpu& vcpu) const;
  uint64_t budget() const;
  void handle_exit(Vcpu& vcpu, CpuExit exit);

  SoftMachine& machine_;
  size_t index_;
  GuestFiles files_;
  std::vector<pc::GuestPoint> points_;  // by address
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<pc::Board> board_;
  std::unique_ptr<DomainServices> services_;  // none on a bare platform
  std::unique_ptr<ViridianGuest> viridian_;   // GuestConfig::viridian
  std::vector<Vcpu> vcpus_;
  bool running_ = false;
  bool core_asserts_ = false;  // assert_vector is under way
  VcpuId running_vcpu_;
};

}  // namespace xensim::sim
