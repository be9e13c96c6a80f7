// Backend: what a machine asks of the engine that executes its vCPUs. A backend is a machine too (SoftMachine,
// NativeMachine), for it answers the core where the core asks of processors (xen::Platform); these are the questions of
// the machine's loop.
//
// All calls come from the machine's one host thread. Those about a vCPU's actor come on the main loop's stack, the
// others also on a fiber that is inside the core.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "models/base/archive.h"
#include "sim/machine/actor.h"
#include "sim/machine/domain.h"

namespace xensim::sim {

class Backend {
 public:
  virtual ~Backend() = default;

  // Loads guests and gives their vCPU 0 its first state; called by Machine::run() after the core was made.
  virtual void start_guests() = 0;
  // Can guests be saved? Then: guests without content, to be restored into; and the fields of processors and devices,
  // to or from the archive.
  virtual bool can_save_guests() const { return false; }
  virtual void make_guests() {}
  virtual void guest_fields(StateArchive&) {}
  virtual void domain_ended(Domain&) {}

  // --- turns
  // Runs the vCPU until it is cut, blocks or its slice is over.
  virtual void run_vcpu(Actor& actor) = 0;
  // Finishes the vCPU's call into the core, and stops there (cuts are off).
  virtual void finish_entry(Actor& actor) = 0;
  // Is run_vcpu() nothing else than to resume the vCPU's fiber with cuts on? Then fibers may follow each other without
  // the main loop between them.
  virtual bool only_resumes() const { return false; }
  // In a plain run with stolen time: another vCPU takes the processor of this one, which could go on.
  virtual void preempt(Actor&) {}
  // In a plain run: the vCPU, which runs, gives up the rest of its turn.
  virtual void end_turn(VcpuRef) {}
  // The slice must not run past Machine::slice_deadline(), which has changed.
  virtual void deadline_moved() {}
  // An actor can run now, or cannot any more.
  virtual void runnable_changed(Actor&) {}

  // --- what comes to a guest
  // Something may be deliverable to the vCPU.
  virtual void interrupt_hint(VcpuRef vcpu) = 0;
  // A local APIC timer is due.
  virtual void apic_timer_due(VcpuRef vcpu) = 0;
  // A timer of a domain's devices is due.
  virtual void device_timer_due(DomId, uint32_t) {}
  // Is there a timer of that number among the domain's devices? What a snapshot says is due is held against it.
  virtual bool has_device_timer(const Domain&, uint32_t) const { return false; }
  // The guest notified a service of the machine behind this port. true: notify the guest on it.
  virtual bool serve_outside(DomId, Port) { return false; }
  // Bytes from outside arrive at the domain's consoles.
  virtual void take_input(Domain&, std::string_view) {}

  // --- reports
  virtual uint64_t total_instructions() const { return 0; }
  // Of a failure of this vCPU: registers, stack. May be empty.
  virtual std::string vcpu_report(const Actor&) const { return {}; }
};

}  // namespace xensim::sim
