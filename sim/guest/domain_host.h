// DomainHost: all that a GuestDomain asks of the backend around it. The backend owns both.
//
// Threads. A GuestDomain that was given a board lock may be entered by several threads. "Under the board lock" says
// that the call comes while the caller holds that lock: it must be short, must not enter the GuestDomain again, and
// must not enter the core, whose calls of Platform come back to the board with the core's own locks held. Without a
// board lock, where one thread does everything, all of that may be done at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/xen/api/core.h"
#include "traces/event_writer.h"

namespace xensim::sim {

class DomainHost {
 public:
  virtual ~DomainHost() = default;

  // The core as this domain enters it: it may be another object at the next call. Any thread, never under the board
  // lock.
  struct Core {
    xen::CoreApi& api;
    const xen::CoreInspector& inspector;
  };
  virtual Core core() = 0;
  // Takes the events of the calling thread's vCPU; nullptr: nothing is recorded. Any thread, also under the board lock.
  virtual traces::EventWriter* events() = 0;

  // The system time, monotonic, and the guest's TSC. Any thread, also under the board lock.
  virtual VirtualNs now() const = 0;
  virtual uint64_t tsc() const = 0;
  // GuestDomain::timer_expired(timer) is called at or after `deadline`, at once where that has passed already, never
  // from inside this call. Arming replaces. Cancelling forgets; a call that is under way already does no harm: devices
  // look at the time. Under the board lock.
  virtual void arm_timer(uint32_t timer, VirtualNs deadline) = 0;
  virtual void cancel_timer(uint32_t timer) = 0;

  // May the vCPU run, as Platform::set_runnable and wait_for_startup() said last? Under the board lock.
  virtual bool is_runnable(VcpuId vcpu) const = 0;
  // CoreApi::wake(vcpu, bring_up), and CoreApi::lapic_enabled(vcpu). Under the board lock: a backend with threads notes
  // it, and does it when the thread has come out of the GuestDomain.
  virtual void wake(VcpuId vcpu, bool bring_up) = 0;
  virtual void lapic_enabled(VcpuId vcpu) = 0;
  // The vCPU has got an INIT, and its registers are as after one: it leaves Cpu::run, and does not run until the core
  // says that it is runnable, which wake() with `bring_up` brings about. Under the board lock.
  virtual void wait_for_startup(VcpuId vcpu) = 0;

  // What the guest writes, in its order. Under the board lock.
  virtual void console_output(xen::ConsoleChannel channel, std::span<const std::byte> text) = 0;
  // The guest ends by a device: none of its vCPUs runs on. Under the board lock.
  virtual void end(xen::ShutdownReason reason) = 0;
  // It ends by the test-exit port: 0 is success, anything else a failure of the guest's. Under the board lock.
  virtual void test_exit(uint32_t value) = 0;
};

}  // namespace xensim::sim
