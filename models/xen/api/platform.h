// Platform: everything that the core asks of the world around it, and its only way out.
//
// Every call is a scheduling point: in simulation the calling actor may be cut there and another run; on threads
// nothing happens. So the core keeps no pointer into guest memory over a call and holds its invariants by its locks
// alone. Calls come on the stack of the actor that entered the core. Platform never calls back into the core from
// inside a call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "models/base/maybe.h"
#include "models/base/types.h"

namespace xensim::xen {

// A named place of the core (sites.def).
enum class Site : uint8_t {
#define XS_SITE(enumerator, name) enumerator,
#include "models/xen/api/sites.def"
#undef XS_SITE
  kCount
};

// The name of a site as traces and schedules show it.
const char* site_name(Site site);

// Read-modify-write operations on guest memory; each gives the old value. All are sequentially consistent.
enum class Rmw : uint8_t { kOr, kAnd, kXor, kAdd, kExchange, kCompareExchange };

// A lock's identity (which class, whose, which one) and its word, which belongs to the Platform alone.
struct LockState {
  Site site;
  DomId dom;
  uint32_t index = 0;             // port, vCPU, grant reference: as the class has it
  std::atomic<uint32_t> word{0};  // Platform's: 0 = free
};

// How an unlocked field of the core was touched.
enum class SharedOp : uint8_t { kLoad, kStore, kRmw };

enum class TimerKind : uint8_t { kSingleshot, kPeriodic, kPoll, kWatchdog0, kWatchdog1 };

// One timer of one vCPU (VIRQ_TIMER singleshot and periodic, poll time-out) or domain (watchdogs: vcpu 0).
struct TimerId {
  TimerKind kind;
  VcpuRef vcpu;
  friend constexpr auto operator<=>(TimerId, TimerId) = default;
};

// sched.h SHUTDOWN_*; kTripleFault is a reboot as the toolstack sees it.
enum class ShutdownReason : uint8_t {
  kPoweroff = 0,
  kReboot = 1,
  kSuspend = 2,
  kCrash = 3,
  kWatchdog = 4,
  kSoftReset = 5
};

enum class ConsoleChannel : uint8_t { kConsoleIo, kDebugPort, kSerial, kPvConsole };

// The clock of one domain, as pvclock shows it: system time at `tsc`, and the conversion from TSC ticks to nanoseconds
// (xen.h, struct vcpu_time_info).
struct ClockSample {
  uint64_t tsc = 0;
  VirtualNs system_time;
  uint32_t tsc_to_system_mul = 0;
  int8_t tsc_shift = 0;
};

// The state VCPUOP_initialise gives a vCPU; `context` is the guest's struct vcpu_hvm_context, checked, as it was
// (public hvm/hvm_vcpu.h).
struct VcpuStart {
  std::span<const std::byte> context;
};

class Platform {
 public:
  virtual ~Platform() = default;

  // Machine memory. Every address lies in RAM of a domain or in a page from allocate_page (the core checks through its
  // p2m); 1, 2, 4 or 8 bytes, naturally aligned, one atomic access.
  virtual uint64_t load(Site site, Maddr at, unsigned bytes) = 0;
  virtual void store(Site site, Maddr at, unsigned bytes, uint64_t value) = 0;
  // Gives the old value. For kCompareExchange `operand` is stored where the old value equals `expected`.
  virtual uint64_t rmw(Site site, Maddr at, unsigned bytes, Rmw op, uint64_t operand, uint64_t expected = 0) = 0;
  // Bulk copies within one page; one scheduling point each, no atomicity.
  virtual void read(Site site, Maddr from, std::span<std::byte> to) = 0;
  virtual void write(Site site, Maddr to, std::span<const std::byte> from) = 0;
  virtual void copy(Site site, Maddr to, Maddr from, uint32_t bytes) = 0;
  // Like load, for CoreInspector: nobody is inside the core, so it is no scheduling point and belongs in no trace.
  virtual uint64_t peek(Maddr at, unsigned bytes) { return load(Site::kSharedInfo, at, bytes); }

  // A guest-virtual address as the vCPU's page tables have it now; nullopt: not mapped, or the access is not allowed.
  virtual Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, Access access) = 0;

  // Is all of this RAM of a domain, or a page from allocate_page? Asked of addresses in a state that is restored, which
  // may be anybody's: a Platform that restores must say so truly.
  virtual bool holds(Maddr /*at*/, uint64_t /*bytes*/) { return true; }
  // A zeroed page that belongs to no guest's RAM (shared_info, grant table frames). Freed with the domain.
  virtual Mfn allocate_page(DomId owner) = 0;
  // A destroyed domain is gone: nobody uses a page of its RAM, or one allocated for it, any more.
  virtual void release_domain(DomId /*dom*/) {}
  // From now on `gfn` of `dom` shows this machine frame to its vCPUs; nullopt: a hole.
  virtual void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) = 0;

  // System time, monotonic over the whole machine; and a domain's clock at that same moment.
  virtual VirtualNs now() = 0;
  virtual ClockSample clock(DomId dom) = 0;
  // Wall clock at system time 0, seconds and nanoseconds since 1970 UTC.
  virtual std::pair<uint64_t, uint32_t> wallclock_base() = 0;

  // CoreApi::timer_expired(id) is called once at or after `deadline`; re-arming replaces, cancelling forgets.
  virtual void arm_timer(TimerId id, VirtualNs deadline) = 0;
  virtual void cancel_timer(TimerId id) = 0;

  // The vCPU shall look for a deliverable upcall before its next guest instruction that takes interrupts.
  virtual void kick(VcpuRef vcpu) = 0;
  // CoreApi::is_runnable(vcpu) has changed. A vCPU that blocks itself stops when its hypercall is over.
  virtual void set_runnable(VcpuRef vcpu, bool runnable) = 0;
  // The hypercall's vCPU gives way (SCHEDOP_yield): another runnable actor goes first.
  virtual void yield(VcpuRef vcpu) = 0;
  virtual void start_vcpu(VcpuRef vcpu, const VcpuStart& start) = 0;
  // A non-maskable interrupt for the vCPU. A Platform whose guests have none takes no notice.
  virtual void inject_nmi(VcpuRef /*vcpu*/) {}
  // An edge on a vector of the vCPU's local APIC (per-vCPU upcall vector); lost if the APIC is software-disabled.
  virtual void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) = 0;
  // Is the vCPU's local APIC software-enabled (spurious vector register, bit 8)?
  virtual bool lapic_enabled(VcpuRef vcpu) = 0;
  // A level on a GSI of the domain (callback by GSI or PCI INTx).
  virtual void set_gsi(DomId dom, uint32_t gsi, bool level) = 0;
  // An event on a port of the host's that a backend outside listens to (HostOpKind::kListen).
  virtual void host_event(DomId /*host*/, Port /*port*/) {}
  // The guest sent an event on a port whose peer lies outside the core (a service of the machine). The port's lock is
  // held: the machine only notes it.
  virtual void outside_event(DomId dom, Port port) = 0;
  virtual void shutdown(DomId dom, ShutdownReason reason) = 0;
  virtual void console_write(DomId dom, ConsoleChannel channel, std::span<const std::byte> text) = 0;

  // Mutual exclusion; not recursive. lock() returns once it is held.
  virtual void lock(LockState& lock) = 0;
  virtual void unlock(LockState& lock) = 0;
  // The same lock held by many readers at once, which a writer (lock) waits for. A Platform that does not tell readers
  // apart lets them in one by one.
  virtual void lock_shared(LockState& lock) { this->lock(lock); }
  virtual void unlock_shared(LockState& lock) { this->unlock(lock); }
  // A field that the core shares without a lock is about to be touched (shared.h).
  virtual void shared_access(Site site, DomId dom, uint32_t index, SharedOp op) = 0;
};

}  // namespace xensim::xen
