// RecordingPlatform: a decorator of Platform that writes down each call of the core and its answer.
//
// A call is recorded when the inner Platform has answered: the order of the trace is the order in which things took
// effect. The inner Platform must not let another actor run between an effect and its return (before the effect it
// may). The unlocks alone are recorded first, while the lock is held, and may let others run after it: the next
// holder's event cannot come before it.
#pragma once

#include "models/xen/api/platform.h"
#include "traces/event_writer.h"

namespace xensim::traces {

// Borrows both. The core is made with this one; see RecordingCore for the other direction.
class RecordingPlatform final : public xen::Platform {
 public:
  RecordingPlatform(xen::Platform& inner, EventWriter& events) : inner_(inner), events_(events) {}

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override;
  void store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) override;
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override;
  void read(xen::Site site, Maddr from, std::span<std::byte> to) override;
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override;
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override;
  uint64_t peek(Maddr at, unsigned bytes) override { return inner_.peek(at, bytes); }
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, Access access) override;
  bool holds(Maddr at, uint64_t bytes) override { return inner_.holds(at, bytes); }
  Mfn allocate_page(DomId owner) override;
  void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) override;
  VirtualNs now() override;
  xen::ClockSample clock(DomId dom) override;
  std::pair<uint64_t, uint32_t> wallclock_base() override;
  void arm_timer(xen::TimerId id, VirtualNs deadline) override;
  void cancel_timer(xen::TimerId id) override;
  void kick(VcpuRef vcpu) override;
  void set_runnable(VcpuRef vcpu, bool runnable) override;
  void yield(VcpuRef vcpu) override;
  void start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) override;
  void inject_nmi(VcpuRef vcpu) override;
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override;
  bool lapic_enabled(VcpuRef vcpu) override;
  void set_gsi(DomId dom, uint32_t gsi, bool level) override;
  void host_event(DomId host, Port port) override;
  void release_domain(DomId dom) override;
  void outside_event(DomId dom, Port port) override;
  void shutdown(DomId dom, xen::ShutdownReason reason) override;
  void console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) override;
  void lock(xen::LockState& lock) override;
  void unlock(xen::LockState& lock) override;
  void lock_shared(xen::LockState& lock) override;
  void unlock_shared(xen::LockState& lock) override;
  void shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) override;

 private:
  xen::Platform& inner_;
  EventWriter& events_;
};

}  // namespace xensim::traces
