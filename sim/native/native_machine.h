// NativeMachine: runs guest programs that were built natively. Each vCPU is a fiber, its guest code on a stack in the
// guest's RAM; its hypercalls and shared accesses call straight in here, on the fiber's own stack, so that exploration
// is not slowed by a CPU model. 64-bit programs on the kit's contract (scenarios/guest/native.h) only. Needs a
// Strategy.
#pragma once

#include <memory>
#include <vector>

#include "models/pc/load/native_image.h"
#include "scenarios/guest/native.h"
#include "sim/machine/machine.h"
#include "sim/native/guest_faults.h"
#include "sim/native/guest_stack.h"

namespace xensim::sim {

class NativeMachine final : public Machine, private Backend, private GuestFaultClient {
 public:
  // Where the machine's memory lies in the host: free in every process, also under the address sanitizer.
  static constexpr uint64_t kBase = 0x200000000000;

  // kInput: a guest has no native build, or is not fit for one. One NativeMachine at a time: guests lie at fixed
  // addresses.
  static Result<std::unique_ptr<NativeMachine>> make(const Scenario& scenario, const xen::Flavour& flavour);

  void reset(const MachineOptions& options) override;

 private:
  // What a guest is given of its vCPU, at an address that is the same in every process.
  struct Handle {
    xs_native_ops ops{};
    GuestStack stack;
  };
  struct Vcpu {
    NativeMachine* machine = nullptr;
    Actor* actor = nullptr;
    Handle* handle = nullptr;
    uint64_t stack_top = 0;  // of the guest's
    bool irq_enabled = false;
    bool hint = false;  // something may be deliverable
    bool started = false;
    bool at_point = false;  // of its own code, where an interrupt can come before what follows
    uint64_t ram = 0;       // where its domain's lies on the host, and how long it is
    uint64_t ram_bytes = 0;
  };
  struct Guest {
    pc::NativeProgram program;
    xs_native_main_fn main = nullptr;
    xs_native_upcall_fn upcall = nullptr;
    std::vector<std::pair<Gfn, Mfn>> overlays;  // pages that show something else than RAM
    std::vector<Gfn> holes;
  };

  NativeMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory, MachineMemory handles);
  Status load_guests();
  void make_vcpus(Domain& domain, std::byte* stacks);
  Vcpu& vcpu_of(const Actor& actor) { return vcpus_[actor.id]; }

  // Backend
  void start_guests() override;
  void run_vcpu(Actor& actor) override;
  bool only_resumes() const override { return true; }
  void finish_entry(Actor& actor) override;
  void interrupt_hint(VcpuRef vcpu) override;
  void apic_timer_due(VcpuRef) override {}

  // Platform
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, xensim::Access access) override;
  void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) override;
  void start_vcpu(VcpuRef, const xen::VcpuStart&) override {}
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override;
  bool lapic_enabled(VcpuRef) override { return true; }
  void set_gsi(DomId, uint32_t, bool) override {}

  // What a guest calls, on its fiber's own stack (native_calls.cc).
  uint64_t guest_access(Vcpu& vcpu, const char* name, uint32_t op, volatile void* addr, uint32_t bytes,
                        uint64_t operand, uint64_t expected);
  uint64_t guest_hypercall(Vcpu& vcpu, unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2,
                           unsigned long a3, unsigned long a4);
  void guest_console(Vcpu& vcpu, const char* bytes, unsigned n);
  void guest_set_irq(Vcpu& vcpu, int enabled);
  void guest_halt(Vcpu& vcpu);
  void guest_pause(Vcpu& vcpu, const char* name);
  void guest_start_vcpu(Vcpu& vcpu, unsigned number);
  uint64_t guest_clock_ns(Vcpu&);
  [[noreturn]] void guest_exit(Vcpu& vcpu, int reason);
  // A guest's mistake ends the run, and the vCPU's fiber here.
  // Nothing on the fiber's stack is destroyed after this: the text is taken, and freed before the fiber is left.
  [[noreturn]] void guest_failed(Vcpu& vcpu, std::string&& what);
  static uint64_t gpa_of(const Vcpu& vcpu, const volatile void* pointer) {
    return reinterpret_cast<uint64_t>(pointer) - vcpu.ram;
  }
  // What a guest points to is read on the host's side: it has to be the guest's.
  void check_pointer(Vcpu& vcpu, const volatile void* pointer, uint64_t bytes) {
    const uint64_t at = gpa_of(vcpu, pointer);
    if (at >= vcpu.ram_bytes || bytes > vcpu.ram_bytes - at) [[unlikely]]
      foreign_pointer(vcpu, pointer);
  }
  [[noreturn]] void foreign_pointer(Vcpu& vcpu, const volatile void* pointer);
  // As a guest's call arrives: an exception ends the fiber and leaves it by its resumer.
  template <auto kCall, class... Args>
  static uint64_t on_host(Vcpu* vcpu, Args... args);
  static const void* const kCalls[];

  // GuestFaultClient
  uint64_t landing_stack(uint64_t sp) const noexcept override;
  [[noreturn]] void faulted(const GuestFault& fault) override;

  static void vcpu_entry(void* vcpu);
  void start_fiber(Vcpu& vcpu);
  ObjectAccess access_of(const std::byte* host, uint32_t op, uint32_t bytes, uint64_t operand) const;
  void pass_point(Vcpu& vcpu, const PointKey& key);
  bool deliver(Vcpu& vcpu);
  // Could it take an interrupt where it stands?
  void update_interrupt(Vcpu& vcpu);
  void wait_until_runnable(Vcpu& vcpu);
  [[noreturn]] void stop_for_ever(Vcpu& vcpu);
  std::byte* resolve(Vcpu& vcpu, const volatile void* addr, uint32_t bytes);

  MachineMemory handles_;
  std::vector<Guest> guests_;  // by domain index
  std::vector<Vcpu> vcpus_;    // by ActorId
  bool draining_ = false;
  bool in_fibers_ = false;  // a vCPU's fiber runs, that of current_
  GuestFaults faults_{*this};
};

}  // namespace xensim::sim
