// The Platform side of the machine: what the core asks for. Each call is a scheduling point first, then takes effect at
// once.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "models/base/check.h"
#include "models/base/copy_bytes.h"
#include "sim/machine/machine.h"

namespace xensim::sim {

namespace {

template <class T>
uint64_t load_as(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_SEQ_CST);
}

template <class T>
void store_as(std::byte* at, uint64_t value) {
  __atomic_store_n(reinterpret_cast<T*>(at), static_cast<T>(value), __ATOMIC_SEQ_CST);
}

template <class T>
uint64_t rmw_as(std::byte* at, xen::Rmw op, uint64_t operand, uint64_t expected) {
  T* word = reinterpret_cast<T*>(at);
  const T value = static_cast<T>(operand);
  switch (op) {
    case xen::Rmw::kOr: return __atomic_fetch_or(word, value, __ATOMIC_SEQ_CST);
    case xen::Rmw::kAnd: return __atomic_fetch_and(word, value, __ATOMIC_SEQ_CST);
    case xen::Rmw::kXor: return __atomic_fetch_xor(word, value, __ATOMIC_SEQ_CST);
    case xen::Rmw::kAdd: return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
    case xen::Rmw::kExchange: return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
    case xen::Rmw::kCompareExchange: {
      T old = static_cast<T>(expected);
      __atomic_compare_exchange_n(word, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      return old;
    }
  }
  return 0;
}

// A point's key is made where it stands, in one piece: a copy would load what was just stored in other pieces, and wait
// for it.
uint8_t number_of(xen::Site site) { return static_cast<uint8_t>(site); }

constexpr ObjectAccess kClockRead{object_of(ObjectSpace::kClock, 0), kWholeObject, AccessKind::kRead};
constexpr ObjectAccess kOutsideWrite{object_of(ObjectSpace::kOutside, 0), kWholeObject, AccessKind::kWrite};

// `or` and the like, whose callers look at no other bits of the old value than those they change.
uint64_t changed_bits(xen::Rmw op, uint64_t operand) {
  switch (op) {
    case xen::Rmw::kOr:
    case xen::Rmw::kXor: return operand;
    case xen::Rmw::kAnd: return ~operand;
    default: return ~uint64_t{0};
  }
}

ObjectAccess bytes_access(Maddr at, AccessKind kind) {
  return {object_of(ObjectSpace::kMemory, at.v >> 3), kWholeObject, kind};
}

ObjectAccess named_access(ObjectSpace space, xen::Site site, DomId dom, uint32_t index, AccessKind kind) {
  return {object_of(space, uint64_t{static_cast<uint8_t>(site)} << 48 | uint64_t{dom.v} << 32 | index), kWholeObject,
          kind};
}

ObjectAccess lock_access(const xen::LockState& lock, AccessKind kind) {
  return named_access(ObjectSpace::kLock, lock.site, lock.dom, lock.index, kind);
}

}  // namespace

uint64_t Machine::load(xen::Site site, Maddr at, unsigned bytes) {
  point(PointKey{PointOp::kLoad, number_of(site), nullptr, word_access(at, bytes, AccessKind::kRead)});
  return peek(at, bytes);
}

uint64_t Machine::peek(Maddr at, unsigned bytes) {
  XS_CHECK(memory_.contains(at, bytes));
  const std::byte* host = memory_.host(at);
  switch (bytes) {
    case 1: return load_as<uint8_t>(host);
    case 2: return load_as<uint16_t>(host);
    case 4: return load_as<uint32_t>(host);
    default: return load_as<uint64_t>(host);
  }
}

void Machine::store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) {
  point(PointKey{PointOp::kStore, number_of(site), nullptr, word_access(at, bytes, AccessKind::kWrite)});
  XS_CHECK(memory_.contains(at, bytes));
  std::byte* host = memory_.host(at);
  switch (bytes) {
    case 1: return store_as<uint8_t>(host, value);
    case 2: return store_as<uint16_t>(host, value);
    case 4: return store_as<uint32_t>(host, value);
    default: return store_as<uint64_t>(host, value);
  }
}

uint64_t Machine::rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) {
  point(PointKey{PointOp::kRmw, number_of(site), nullptr,
                 word_access(at, bytes, AccessKind::kWrite, changed_bits(op, operand))});
  XS_CHECK(memory_.contains(at, bytes));
  std::byte* host = memory_.host(at);
  switch (bytes) {
    case 1: return rmw_as<uint8_t>(host, op, operand, expected);
    case 2: return rmw_as<uint16_t>(host, op, operand, expected);
    case 4: return rmw_as<uint32_t>(host, op, operand, expected);
    default: return rmw_as<uint64_t>(host, op, operand, expected);
  }
}

void Machine::read(xen::Site site, Maddr from, std::span<std::byte> to) {
  point(PointKey{PointOp::kRead, number_of(site), nullptr, bytes_access(from, AccessKind::kRead)});
  if (exploring()) touch_rest(from, to.size(), AccessKind::kRead);
  XS_CHECK(memory_.contains(from, to.size()));
  copy_bytes(to.data(), memory_.host(from), to.size());
}

void Machine::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  point(PointKey{PointOp::kWrite, number_of(site), nullptr, bytes_access(to, AccessKind::kWrite)});
  if (exploring()) touch_rest(to, from.size(), AccessKind::kWrite);
  XS_CHECK(memory_.contains(to, from.size()));
  copy_bytes(memory_.host(to), from.data(), from.size());
}

void Machine::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  point(PointKey{PointOp::kCopy, number_of(site), nullptr, bytes_access(to, AccessKind::kWrite)});
  if (exploring()) {
    touch_rest(to, bytes, AccessKind::kWrite);
    touch(bytes_access(from, AccessKind::kRead));
    touch_rest(from, bytes, AccessKind::kRead);
  }
  XS_CHECK(memory_.contains(to, bytes) && memory_.contains(from, bytes));
  std::memmove(memory_.host(to), memory_.host(from), bytes);
}

Mfn Machine::allocate_page(DomId) { return Mfn{memory_.allocate(kPageSize).v >> kPageShift}; }

VirtualNs Machine::look_at_clock() {
  if (exploring()) touch(kClockRead);
  clock_was_read_ = true;
  return time();
}

VirtualNs Machine::now() {
  point(PointKey{PointOp::kPlatform, 0, "now", kClockRead});
  clock_was_read_ = true;
  return time();
}

// In two parts: the product of a long virtual time and the frequency does not fit 64 bits.
uint64_t Machine::tsc() const {
  const uint64_t khz = scenario_.clock.tsc_khz, ns = time().v;
  return ns / 1'000'000 * khz + ns % 1'000'000 * khz / 1'000'000;
}

xen::ClockSample Machine::clock(DomId) {
  xen::ClockSample sample;
  sample.system_time = look_at_clock();
  sample.tsc = tsc();
  // ns = (ticks shifted by tsc_shift) * mul >> 32; mul wants to be in [2^31, 2^32).
  uint64_t ticks_per_second = scenario_.clock.tsc_khz * 1000;
  int shift = 0;
  while (ticks_per_second > 2'000'000'000) {
    ticks_per_second >>= 1;
    --shift;
  }
  while (ticks_per_second <= 1'000'000'000) {
    ticks_per_second <<= 1;
    ++shift;
  }
  sample.tsc_to_system_mul = static_cast<uint32_t>((uint64_t{1'000'000'000} << 32) / ticks_per_second);
  sample.tsc_shift = static_cast<int8_t>(shift);
  return sample;
}

std::pair<uint64_t, uint32_t> Machine::wallclock_base() { return {scenario_.clock.wallclock_s, 0}; }

void Machine::arm_timer(xen::TimerId id, VirtualNs deadline) {
  point(PointKey{PointOp::kPlatform, 0, "arm_timer", vcpu_access(id.vcpu, ObjectSpace::kTimer, AccessKind::kWrite)});
  due_.arm({DueKind::kXenTimer, id, 0}, deadline);
  backend_.deadline_moved();
}

void Machine::cancel_timer(xen::TimerId id) {
  point(PointKey{PointOp::kPlatform, 0, "cancel_timer", vcpu_access(id.vcpu, ObjectSpace::kTimer, AccessKind::kWrite)});
  due_.cancel_timer(id);
}

void Machine::kick(VcpuRef vcpu) {
  point(PointKey{PointOp::kPlatform, 0, "kick", vcpu_access(vcpu, ObjectSpace::kUpcall, AccessKind::kWrite)});
  backend_.interrupt_hint(vcpu);
}

void Machine::set_runnable(VcpuRef vcpu, bool runnable) {
  point(PointKey{PointOp::kPlatform, 0, "set_runnable", vcpu_access(vcpu, ObjectSpace::kVcpu, AccessKind::kWrite)});
  Actor& actor = actor_of(vcpu);
  actors_.set_runnable(actor, runnable);
  backend_.runnable_changed(actor);
}

void Machine::yield(VcpuRef vcpu) {
  point({PointOp::kPause, 0, nullptr});
  if (exploring()) return;
  if (alone()) return pass_idle_yield();
  plain_.end_idle_yields();
  backend_.end_turn(vcpu);
}

bool Machine::alone() const {
  return std::none_of(actors_.begin(), actors_.end(),
                      [this](const auto& actor) { return actor.get() != current_ && actor->can_run(); });
}

// Nobody else can run: a guest that goes on yielding waits for what is due, or for the time. It comes there in few
// steps, and not by executing some dozen instructions a yield.
void Machine::pass_idle_yield() {
  constexpr uint64_t kIdleYieldNs = 100'000;  // of each that follows, unless something falls due before
  if (!plain_.idle_yield_passes_time()) return;
  const VirtualNs deadline = slice_deadline();
  const VirtualNs now = time();
  if (deadline > now) advance_time(std::min(deadline.v - now.v, kIdleYieldNs));
  backend_.deadline_moved();
}

// Services of the machine run on the outside actor, once per notification that is not yet served.
void Machine::outside_event(DomId dom, Port port) {
  point(PointKey{PointOp::kPlatform, 0, "outside_event", kOutsideWrite});
  if (due_.guest_notified(dom, port)) backend_.runnable_changed(due_.outside());
}

void Machine::shutdown(DomId dom, xen::ShutdownReason reason) {
  Domain& domain = domain_of(dom);
  const bool resumes = domain.config->soft_reset_resumes || flavour_.soft_reset_in_place;
  if (reason == xen::ShutdownReason::kSoftReset && resumes) return soft_resets_.pause(domain);
  end_domain(domain, reason);
}

void Machine::console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) {
  console_bytes(domain_of(dom), channel, text);
}

void Machine::wait_for(xen::LockState& lock, bool exclusive) {
  while (!Locks::is_free(lock, exclusive)) {
    XS_CHECK_MSG(!Locks::is_writer(lock, *current_),
                 fmt::format("{} takes {} twice", current_->label, xen::site_name(lock.site)));
    if (cutting_) {
      locks_.wait(*current_, lock);
      decided_ = false;
      cut(PointKey{PointOp::kLock, number_of(lock.site), nullptr, {}});
    } else {
      drive_owner(lock);
    }
  }
}

// The point of a lock: from here the actor cannot go on while another holds it.
void Machine::lock_point(xen::LockState& lock, bool exclusive) {
  const PointKey key{PointOp::kLock, number_of(lock.site), nullptr,
                     lock_access(lock, exclusive ? AccessKind::kLock : AccessKind::kLockShared)};
  if (!cutting_) {
    if (exploring()) touch(key.access);
    return;
  }
  Actor& self = *current_;
  locks_.want(self, lock, exclusive);
  point(key);
  locks_.wants_no_more(self);
}

void Machine::lock(xen::LockState& lock) {
  lock_point(lock, true);
  wait_for(lock, true);
  locks_.take(lock, *current_);
}

void Machine::unlock(xen::LockState& lock) {
  Locks::release(lock);
  after_unlock(lock, AccessKind::kUnlock);
}

void Machine::lock_shared(xen::LockState& lock) {
  lock_point(lock, false);
  wait_for(lock, false);
  locks_.take_shared(lock, *current_);
}

void Machine::unlock_shared(xen::LockState& lock) {
  locks_.release_shared(lock, *current_);
  after_unlock(lock, AccessKind::kUnlockShared);
}

// No point: whatever comes next is one, and nothing of others' can come to matter in between.
void Machine::after_unlock(xen::LockState& lock, AccessKind kind) {
  if (!exploring()) return;
  const ObjectAccess access = lock_access(lock, kind);
  touch(access);
  locks_.wake_waiters(lock);
  if (locks_.is_driven(lock)) cut(PointKey{PointOp::kUnlock, number_of(lock.site), nullptr, access});
}

void Machine::shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) {
  const PointOp point_op = op == xen::SharedOp::kLoad    ? PointOp::kSharedLoad
                           : op == xen::SharedOp::kStore ? PointOp::kSharedStore
                                                         : PointOp::kSharedRmw;
  const AccessKind kind = op == xen::SharedOp::kLoad ? AccessKind::kRead : AccessKind::kWrite;
  point(PointKey{point_op, number_of(site), nullptr, named_access(ObjectSpace::kShared, site, dom, index, kind)});
}

}  // namespace xensim::sim
