// Machine: runs a scenario. Holds the memory, the virtual clock, the event queue, the actors and the core, and is the
// Platform that the core asks. How a vCPU executes is its Backend's affair: SoftMachine, NativeMachine.
//
// Two ways to run. Plain: vCPUs take turns by instructions, and a call into the core is never cut. Under a Strategy:
// each scheduling point asks it which lane goes on, and virtual time stands still but where the strategy, or the want
// of anything else to do, lets it jump to what is due next: all backends see the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/base/archive.h"
#include "models/base/prng.h"
#include "models/xen/api/core.h"
#include "sim/machine/actors.h"
#include "sim/machine/backend.h"
#include "sim/machine/consoles.h"
#include "sim/machine/domain.h"
#include "sim/machine/due_work.h"
#include "sim/machine/exploration.h"
#include "sim/machine/invariants/invariants.h"
#include "sim/machine/lanes.h"
#include "sim/machine/live_input.h"
#include "sim/machine/locks.h"
#include "sim/machine/machine_memory.h"
#include "sim/machine/plain_turns.h"
#include "sim/machine/snapshot/snapshot.h"
#include "sim/machine/soft_resets.h"
#include "sim/machine/strategy.h"
#include "sim/machine/wall_limit.h"
#include "sim/scenario/outcome.h"
#include "sim/scenario/ring_places.h"
#include "sim/scenario/scenario.h"
#include "traces/event_writer.h"
#include "traces/recording_core.h"
#include "traces/recording_platform.h"

namespace xensim::sim {

struct MachineOptions {
  uint64_t seed = 0;
  Strategy* strategy = nullptr;       // nullptr: a plain run
  traces::EventSink* sink = nullptr;  // nullptr: nothing is recorded or hashed
  uint64_t max_points = 200'000;      // under a strategy: after these the schedule becomes fair, for as many again
  bool checks = false;                // as Scenario::checks
  // For tests: after so many turns the core is saved, made anew and restored, wherever nobody is inside it. 0: never.
  uint64_t round_trip_every = 0;
  std::function<void(const std::string&)> on_console;      // each console line as it is complete, may be empty
  std::function<void(std::string_view)> on_console_bytes;  // console bytes as they come, may be empty
  LiveInput* input = nullptr;                              // plain runs alone
  // Plain runs alone: when the machine is saved, once, and who gets it and says whether the run goes on.
  std::optional<SnapshotPoint> snapshot;
  std::function<bool(Snapshot)> on_snapshot;
  // The run goes on from here, as the one that was saved did; it has to be of the same scenario. nullptr: from the
  // beginning. Borrowed until the run is over.
  const Snapshot* from = nullptr;
  const WallLimit* wall = nullptr;   // the run ends when this is over; borrowed, nullptr: by itself alone
  traces::HashSink* hash = nullptr;  // fed by `sink`: snapshots have it on its way. nullptr: they have none
};

class BackendHost;

class Machine : protected xen::Platform {
 public:
  ~Machine() override;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Back to the beginning, for another run under `strategy`, `seed` and `sink`.
  virtual void reset(const MachineOptions& options);
  // After reset(): guests as they start, or as they were saved. kInput, with the snapshot's name: it is none of this
  // scenario, or none at all; then only reset() may follow.
  Status prepare();
  // Runs to the end; once after each reset(), with or without prepare() before.
  Outcome run();
  // Between prepare() and run(): another strategy than that of reset(), which had one too.
  void set_strategy(Strategy& strategy);
  // Can its plain runs be saved?
  bool can_be_saved() const { return backend_.can_save_guests(); }

  // For the trace's header.
  std::vector<ActorInfo> actor_table() const;
  // The lanes' names, d1v0, d1v0.irq, clock and the like, by number; empty: there is none of that number.
  std::vector<std::string> labels() const;

 protected:
  // Borrows `backend`, which is not called before reset(): the derived object itself.
  Machine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory, Backend& backend);

  // The machine itself notifies a guest: on the outside actor, like an event from outside.
  void notify_from_outside(DomId dom, Port port);

  // --- services for backends; their parts ask a BackendHost
  friend class BackendHost;
  BackendHost host();
  bool exploring() const { return exploration_.on(); }
  Actor& actor_of(VcpuRef vcpu) { return actors_[domain_of(vcpu.dom).vcpus.at(vcpu.vcpu.v)]; }
  Domain& domain_of(DomId id);
  // Asks the strategy at a point of the running actor: true, another goes on.
  bool decide(const PointKey& key);
  // Names the point; cuts the running fiber where the strategy says so. Nothing in a plain run or an uncut section.
  // Then the operation is under way.
  void point(const PointKey& key) {
    stop_at(key);
    if (exploring()) touch(key.access);
  }
  // As point(), before the operation.
  void stop_at(const PointKey& key) {
    if (cutting_ && decide(key)) cut(key);
  }
  // The guest's marker: a search begins here, where its scenario says so.
  void search_from_here();
  // In an exploration: the running lane touches this, at a point or not.
  [[gnu::always_inline]] void touch(const ObjectAccess& access) {
    if (lanes_.spinning() != 0 && !is_read(access.kind)) lanes_.wrote(lane());
    if (exploration_.collects()) exploration_.touched(access);
  }
  // The same of all 8-byte objects of these bytes of memory but the first, which the point has named.
  void touch_rest(Maddr at, uint64_t bytes, AccessKind kind);
  // Was the actor, which goes on, chosen as its interrupt? Asked once: it takes it then.
  static bool takes_interrupt(Actor& actor) { return std::exchange(actor.takes_interrupt, false); }
  // Of a handler that begins so, and ends.
  void begin_handler(Actor& actor);
  void end_handler(Actor& actor);
  // In an exploration: the vCPU, which stands at a point, could take an interrupt there.
  void set_interrupt(const Actor& actor, bool ready) { lanes_.set_interrupt(actor.id, ready); }
  // On the running actor's fiber: leaves until the actor's next turn, to the main loop or to the next actor.
  void cut(const PointKey& key);
  void console_bytes(Domain& domain, xen::ConsoleChannel channel, std::span<const std::byte> text);
  void fail(FailureKind kind, std::string message, std::string where, std::string report = {});
  // The guest wrote to the test-exit port: 0 is success.
  void test_exit(Domain& domain, uint32_t value);
  // Fails the run, and says that the host's clock did.
  void fail_by_wall_limit();
  void end_domain(Domain& domain, xen::ShutdownReason reason);
  void advance_time(uint64_t ns) { context_.time.v += ns; }
  VirtualNs time() const { return context_.time; }
  // As a guest does: an exploration's clock moves between two looks alone.
  VirtualNs look_at_clock();
  // A domain's TSC now: they all tick alike.
  uint64_t tsc() const;
  void refresh(const Actor& actor) { actors_.refresh(actor); }
  // In a turn: can no other actor run?
  bool alone() const;
  // Resumes the actor's fiber, with cuts in an exploration. true: its function is over.
  bool resume(Actor& actor);
  traces::EventWriter* events() { return writer_ ? &*writer_ : nullptr; }
  // Until which time the running vCPU may go on without looking up.
  VirtualNs slice_deadline() const;

  // Runs `body` as the given actor, without cuts, and makes the one that ran before current again.
  template <class Body>
  auto as_actor(Actor& actor, Body&& body) {
    struct Restore {
      Machine& machine;
      ActorId context;
      Actor* current;
      bool cutting;
      ~Restore() {
        machine.context_.actor = context;
        machine.current_ = current;
        machine.cutting_ = cutting;
      }
    } restore{*this, context_.actor, current_, cutting_};
    context_.actor = actor.id;
    current_ = &actor;
    cutting_ = false;
    return body();
  }

  // --- Platform
  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override;
  void store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) override;
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override;
  void read(xen::Site site, Maddr from, std::span<std::byte> to) override;
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override;
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override;
  uint64_t peek(Maddr at, unsigned bytes) override;
  bool holds(Maddr at, uint64_t bytes) override { return memory_.contains(at, bytes); }
  Mfn allocate_page(DomId owner) override;
  VirtualNs now() override;
  xen::ClockSample clock(DomId dom) override;
  std::pair<uint64_t, uint32_t> wallclock_base() override;
  void arm_timer(xen::TimerId id, VirtualNs deadline) override;
  void cancel_timer(xen::TimerId id) override;
  void kick(VcpuRef vcpu) override;
  void set_runnable(VcpuRef vcpu, bool runnable) override;
  void yield(VcpuRef vcpu) override;
  void outside_event(DomId dom, Port port) override;
  void shutdown(DomId dom, xen::ShutdownReason reason) override;
  void console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) override;
  void lock(xen::LockState& lock) override;
  void unlock(xen::LockState& lock) override;
  void lock_shared(xen::LockState& lock) override;
  void unlock_shared(xen::LockState& lock) override;
  void shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) override;

  // --- fixed
  Backend& backend_;
  const Scenario& scenario_;
  xen::Flavour flavour_;
  const RingPlaces rings_;
  MachineMemory memory_;
  Actors actors_;  // 0 is the machine
  std::vector<Domain> domains_;

  // --- glue
  MachineOptions options_;
  std::optional<traces::EventWriter> writer_;
  std::optional<traces::RecordingPlatform> recording_platform_;
  std::optional<traces::RecordingCore> recording_core_;
  xen::CoreInstance core_;
  xen::CoreApi* api_ = nullptr;  // the core, through the recorder where there is one

  // --- volatile
  RunContext context_;
  DueWork due_;
  Prng prng_{0};
  Actor* current_ = nullptr;
  bool cutting_ = false;
  bool finished_ = false;
  Outcome outcome_;

 private:
  void make_actors();
  void make_core();
  void create_domains();
  void start();
  Status restore(const Snapshot& snapshot);
  bool has_core_of_guests() const;
  void take_snapshot();
  void fields(StateArchive& ar);
  void domain_fields(StateArchive& ar);
  void outcome_fields(StateArchive& ar);
  void trace_fields(StateArchive& ar);
  void set_toolstack_params(const Domain& domain);
  void round_trip_core();
  void check_invariants(bool at_end);
  void main_loop();
  void explore_loop();
  bool choose_anew(PointOp at);
  void run_lane(unsigned lane);
  void plain_loop();
  void run_actor(Actor& actor);
  void become(Actor& actor);
  // Of the running actor.
  unsigned lane() const { return lanes_.of(current_->id); }
  ObjectAccess vcpu_access(VcpuRef vcpu, ObjectSpace space, AccessKind kind);
  // At no point of the actor's.
  void decide_anew(const PointKey& key);
  uint64_t runnable_lanes() const;
  uint64_t choosable_lanes();
  uint64_t spinning_lanes(uint64_t runnable);
  bool clock_can_advance(uint64_t lanes) const;
  void advance_clock();
  bool can_follow_at_once(const PointKey& key) const;
  void run_work(Actor& actor);
  static void work_entry(void* machine);
  void timer_work();
  void outside_work();
  void take_due();
  void take_typed();
  void apply_input(const ConsoleInput& input);
  bool wait_for_input();
  bool idle();
  void nothing_to_run();
  void drain();
  void finish(Actor& actor);
  void drain_after_failure() noexcept;
  void pass_idle_yield();
  bool out_of_wall_time() { return options_.wall != nullptr && wall_is_over(); }
  bool wall_is_over();
  void wait_for(xen::LockState& lock, bool exclusive);
  void lock_point(xen::LockState& lock, bool exclusive);
  void after_unlock(xen::LockState& lock, AccessKind kind);
  void drive_owner(xen::LockState& lock);
  void finish_soft_resets();
  void account_ends();
  void check_expectations();
  bool all_ended() const;

  Locks locks_;
  Exploration exploration_;
  Lanes lanes_;
  uint64_t points_in_a_row_ = 0;  // that the running lane has passed
  bool decided_ = false;          // the strategy was asked at the point where the lane that ran stopped
  bool clock_was_read_ = false;   // since it moved last
  PlainTurns plain_;
  SoftResets soft_resets_;
  Consoles consoles_;
  std::vector<std::unique_ptr<Invariant>> invariants_;
  uint64_t actor_runs_ = 0;  // turns of any actor
  bool prepared_ = false;
  bool fibers_follow_ = false;  // in this run a fiber may be switched to without the main loop between
  uint64_t memory_mark_ = 0;
};

}  // namespace xensim::sim
