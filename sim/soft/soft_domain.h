// SoftDomain: one guest of a SoftMachine. The guest itself is a GuestDomain; this is its software CPU, its vCPUs'
// slices, their hypercalls that may be cut, and their points in an exploration.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/cpu.h"
#include "models/x86/engine/host_frames.h"
#include "sim/guest/guest_domain.h"
#include "sim/machine/backend_host.h"

namespace xensim::sim {

class SoftDomain final : public CpuClient, private DomainHost {
 public:
  // Borrows `domain`, which is the machine's, and the machine's frames.
  static Result<std::unique_ptr<SoftDomain>> make(BackendHost machine, Domain& domain, x86::HostFrames& frames,
                                                  bool restored);
  ~SoftDomain() override;

  // A fresh engine, devices and memory, and vCPU 0 at the image's entry.
  Status start();
  // The same with nothing in it: memory as it is, vCPUs as after power-up. For fields() to restore into.
  Status make_hardware();
  // For a saved machine.
  void fields(StateArchive& ar);

  // --- turns
  void run(Actor& actor);
  void finish_entry(Actor& actor);
  void limit_slice();
  void share_turn();
  // Something may be deliverable to the vCPU now.
  void hinted(VcpuId vcpu);
  // Its processor goes to another vCPU.
  void preempt(VcpuId vcpu);

  std::string report(VcpuId vcpu) const { return guest_->report(vcpu, files_.image.symbols); }
  uint64_t instructions() const;
  Cpu& cpu() { return *cpu_; }
  GuestDomain& guest() { return *guest_; }

  // CpuClient
  uint32_t port_in(VcpuId vcpu, uint16_t port, unsigned bytes) override;
  void port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) override;
  uint64_t mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) override;
  void mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) override;
  CpuidResult cpuid(VcpuId vcpu, uint32_t leaf, uint32_t subleaf, CpuidResult native) override;
  std::optional<uint64_t> rdmsr(VcpuId vcpu, uint32_t msr) override;
  bool wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) override;
  void msr_served(VcpuId vcpu) override;
  uint8_t cr8(VcpuId vcpu) override;
  void set_cr8(VcpuId vcpu, uint8_t value) override;
  void halting(VcpuId vcpu) override;
  uint64_t rdtsc(VcpuId vcpu) override;
  CpuAction hypercall(VcpuId vcpu) override;
  CpuAction point(VcpuId vcpu, Gva rip) override;
  std::optional<uint8_t> acknowledge_interrupt(VcpuId vcpu) override;
  CpuAction pause(VcpuId vcpu) override;

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
    bool was_blocked = false;
    bool hypercall_in_flight = false;
    unsigned pauses = 0;  // PAUSEs in this turn
    uint64_t result = 0;  // of the hypercall
    // Of an exploration: where it stands.
    bool at_point = false;  // before an operation that it has announced
    PointKey key;
    const pc::GuestPoint* stopped_at = nullptr;  // the same, where it has a name; its event is still to be written
    bool passes_hypercall = false;               // its next VMCALL was announced
    bool open = false;                           // IF was set there
    bool held = false;                           // it was chosen to go on, and its interrupt not: until its next point
    bool withheld = false;                       // the CPU has asked meanwhile
    std::vector<InterruptedPoint> interrupted;   // the handler of the last one is under way
  };

  SoftDomain(BackendHost machine, Domain& domain, x86::HostFrames& frames);

  // DomainHost
  Core core() override { return {machine_.core(), machine_.inspector()}; }
  traces::EventWriter* events() override { return machine_.events(); }
  VirtualNs now() const override { return machine_.time(); }
  uint64_t tsc() const override { return machine_.tsc(); }
  void arm_timer(uint32_t timer, VirtualNs deadline) override;
  void cancel_timer(uint32_t timer) override;
  bool is_runnable(VcpuId vcpu) const override { return vcpus_.at(vcpu.v).actor->core_runnable; }
  void wake(VcpuId vcpu, bool bring_up) override { machine_.core().wake(ref(vcpu), bring_up); }
  void lapic_enabled(VcpuId vcpu) override { machine_.core().lapic_enabled(ref(vcpu)); }
  void wait_for_startup(VcpuId vcpu) override;
  void console_output(xen::ConsoleChannel channel, std::span<const std::byte> text) override;
  void end(xen::ShutdownReason reason) override { machine_.end_domain(domain_, reason); }
  void test_exit(uint32_t value) override { machine_.test_exit(domain_, value); }

  VcpuRef ref(VcpuId vcpu) const { return {domain_.id, vcpu}; }
  Vcpu& state(VcpuId vcpu) { return vcpus_.at(vcpu.v); }
  DueId due_id(uint32_t timer) const;
  GuestMemory memory() const;
  void reset_vcpus();
  void sync(VcpuId vcpu);
  bool whole_guest() const;
  uint64_t budget() const;
  uint64_t until_deadline() const;
  void handle_exit(Vcpu& vcpu, CpuExit exit);
  void after_halt(Vcpu& vcpu);
  bool ends_turn(Vcpu& vcpu) const;
  static void hypercall_entry(void* vcpu);
  bool go_on_with_hypercall(Vcpu& vcpu);
  const pc::GuestPoint* find_point(Gva rip) const;
  void write_point_event(const pc::GuestPoint& point);
  static bool has_suffix(const pc::GuestPoint& point, std::string_view suffix);
  bool stops_at(Vcpu& vcpu, const PointKey& key);
  void leave_point(Vcpu& vcpu);
  void pass_point(Vcpu& vcpu);
  bool begin_interrupt(Vcpu& vcpu);
  bool has_returned(Vcpu& vcpu, uint64_t rip);
  void let_interrupts_in(Vcpu& vcpu);
  bool has_interrupt(Vcpu& vcpu);

  const BackendHost machine_;
  Domain& domain_;
  x86::HostFrames& frames_;
  GuestFiles files_;
  std::vector<pc::GuestPoint> points_;  // by address
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<GuestDomain> guest_;
  std::vector<Vcpu> vcpus_;
  bool running_ = false;
  VcpuId running_vcpu_;
};

}  // namespace xensim::sim
