// ReplayPlatform: the Platform that a trace is. Belongs to one replay_at_core().
#pragma once

#include <array>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/xen/api/core_api.h"
#include "models/xen/api/platform.h"
#include "sim/fiber/fiber.h"
#include "sim/replay/core_replay.h"
#include "traces/trace_file.h"

namespace xensim::sim {

// Thrown on a fiber to unwind an entry of the core when replay is over; caught where the fiber began.
struct ReplayStopped {};

// One thread. Calls of the core come on the fiber of the actor that entered it. After stop() every call throws
// ReplayStopped but unlock(), which destructors use.
class ReplayPlatform final : public xen::Platform {
 public:
  // Borrows the reader and `outcome`, which it fills.
  ReplayPlatform(traces::TraceReader& reader, ReplayOutcome& outcome);

  // The next event that replay looks at; nullptr: none is left, or replay is over.
  const traces::Event* next() const { return stopped_ ? nullptr : next_; }
  bool stopped() const { return stopped_; }
  void stop() { stopped_ = true; }
  // The event was as it should be: on to the one after.
  void consume();

  // Runs `fiber` as `actor` until it waits for another actor's event, or is done.
  void run(ActorId actor, Fiber& fiber);
  // Called on an actor's fiber: waits until its event is next, which must be of this kind, else replay diverges. `got`
  // is what the core did, for the report.
  template <class Body>
  const Body& expect(const Body& got) {
    const traces::Event* event = next();
    if (event == nullptr || event->actor != current_) [[unlikely]]
      event = wait();
    if (event->kind != Body::kKind) [[unlikely]]
      diverge(got);
    return *std::get_if<Body>(&event->body);
  }
  // Diverges unless `same`.
  void check(bool same, const traces::EventBody& got) {
    if (!same) [[unlikely]]
      diverge(got);
  }

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override;
  void store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) override;
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override;
  void read(xen::Site site, Maddr from, std::span<std::byte> to) override;
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override;
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override;
  // There is no memory to look into; nobody inspects a core that replays.
  uint64_t peek(Maddr /*at*/, unsigned /*bytes*/) override { return 0; }
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, Access access) override;
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
  // The last events, kept as they are and put into words where replay diverges; their bulk data may be gone, so it is
  // cut off.
  static constexpr size_t kRemembered = 8;

  template <class Body>
  void release(const xen::LockState& lock);
  const traces::Event* wait();
  [[noreturn]] void diverge(const traces::EventBody& got);
  void record_divergence(const traces::EventBody& got);
  void advance();

  traces::TraceReader& reader_;
  ReplayOutcome& outcome_;
  const traces::Event* next_ = nullptr;
  bool stopped_ = false;
  ActorId current_ = 0;
  Fiber* fiber_ = nullptr;
  std::array<traces::Event, kRemembered> remembered_;
};

}  // namespace xensim::sim
