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

PointKey site_point(PointOp op, xen::Site site) { return {op, static_cast<uint8_t>(site), nullptr}; }
PointKey named_point(const char* name) { return {PointOp::kPlatform, 0, name}; }

}  // namespace

uint64_t Machine::load(xen::Site site, Maddr at, unsigned bytes) {
  point(site_point(PointOp::kLoad, site));
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
  point(site_point(PointOp::kStore, site));
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
  point(site_point(PointOp::kRmw, site));
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
  point(site_point(PointOp::kRead, site));
  XS_CHECK(memory_.contains(from, to.size()));
  copy_bytes(to.data(), memory_.host(from), to.size());
}

void Machine::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  point(site_point(PointOp::kWrite, site));
  XS_CHECK(memory_.contains(to, from.size()));
  copy_bytes(memory_.host(to), from.data(), from.size());
}

void Machine::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  point(site_point(PointOp::kCopy, site));
  XS_CHECK(memory_.contains(to, bytes) && memory_.contains(from, bytes));
  std::memmove(memory_.host(to), memory_.host(from), bytes);
}

Mfn Machine::allocate_page(DomId) { return Mfn{memory_.allocate(kPageSize).v >> kPageShift}; }

VirtualNs Machine::now() {
  point(named_point("now"));
  return time();
}

xen::ClockSample Machine::clock(DomId) {
  const VirtualNs at = time();
  xen::ClockSample sample;
  sample.system_time = at;
  // In two parts: the product of a long virtual time and the frequency does not fit 64 bits.
  const uint64_t khz = scenario_.clock.tsc_khz;
  sample.tsc = at.v / 1'000'000 * khz + at.v % 1'000'000 * khz / 1'000'000;
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
  point(named_point("arm_timer"));
  events_due_.arm({DueKind::kXenTimer, id, 0}, deadline);
  deadline_moved();
}

void Machine::cancel_timer(xen::TimerId id) {
  point(named_point("cancel_timer"));
  events_due_.cancel({DueKind::kXenTimer, id, 0});
  std::erase(due_timers_, id);
}

void Machine::kick(VcpuRef vcpu) {
  point(named_point("kick"));
  interrupt_hint(vcpu);
}

void Machine::set_runnable(VcpuRef vcpu, bool runnable) {
  point(named_point("set_runnable"));
  Actor& actor = actor_of(vcpu);
  actor.core_runnable = runnable;
  refresh(actor);
  runnable_changed(actor);
}

void Machine::yield(VcpuRef vcpu) {
  point({PointOp::kPause, 0, nullptr});
  if (exploring()) return;
  const auto waits = [this](const auto& actor) { return actor.get() != current_ && actor->can_run(); };
  if (std::any_of(actors_.begin(), actors_.end(), waits)) {
    idle_yields_ = 0;
    return end_turn(vcpu);
  }
  pass_idle_yield();
}

// Nobody else can run: a guest that goes on yielding waits for what is due, or for the time. It comes there in few
// steps, and not by executing some dozen instructions a yield.
void Machine::pass_idle_yield() {
  constexpr uint32_t kFreeYields = 64;
  constexpr uint64_t kIdleYieldNs = 100'000;  // of each that follows, unless something falls due before
  if (idle_yields_ < kFreeYields) {
    ++idle_yields_;
    return;
  }
  const VirtualNs deadline = slice_deadline();
  const VirtualNs now = time();
  if (deadline > now) advance_time(std::min(deadline.v - now.v, kIdleYieldNs));
  deadline_moved();
}

// Services of the machine run on the outside actor, once per notification that is not yet served.
void Machine::outside_event(DomId dom, Port port) {
  point(named_point("outside_event"));
  const std::pair notified(dom, port);
  if (std::find(due_outside_.begin(), due_outside_.end(), notified) != due_outside_.end()) return;
  due_outside_.push_back(notified);
  outside_->core_runnable = true;
  refresh(*outside_);
  runnable_changed(*outside_);
}

void Machine::shutdown(DomId dom, xen::ShutdownReason reason) {
  Domain& domain = domain_of(dom);
  const bool resumes = domain.config->soft_reset_resumes || flavour_.soft_reset_in_place;
  if (reason == xen::ShutdownReason::kSoftReset && resumes) return pause_for_soft_reset(domain);
  end_domain(domain, reason);
}

void Machine::console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) {
  console_bytes(domain_of(dom), channel, text);
}

// A lock's word: 0, free; n + 1, held by actor n; kShared + n, held by n readers (shared_holders_ says which).
void Machine::wait_for(xen::LockState& lock, bool exclusive) {
  const auto is_free = [&] {
    const uint32_t word = lock.word.load(std::memory_order_relaxed);
    return word == 0 || (!exclusive && (word & kSharedLock) != 0);
  };
  while (!is_free()) {
    XS_CHECK_MSG(lock.word.load(std::memory_order_relaxed) != current_->id + 1u,
                 fmt::format("{} takes {} twice", current_->label, xen::site_name(lock.site)));
    if (cutting_) {
      current_->waiting = &lock;
      ++waiters_;
      refresh(*current_);
      cut(site_point(PointOp::kLock, lock.site));
    } else {
      drive_owner(lock);
    }
  }
}

void Machine::lock(xen::LockState& lock) {
  point(site_point(PointOp::kLock, lock.site));
  wait_for(lock, true);
  lock.word.store(current_->id + 1u, std::memory_order_relaxed);
}

bool Machine::try_lock(xen::LockState& lock) {
  point(site_point(PointOp::kTryLock, lock.site));
  if (lock.word.load(std::memory_order_relaxed) != 0) return false;
  lock.word.store(current_->id + 1u, std::memory_order_relaxed);
  return true;
}

void Machine::unlock(xen::LockState& lock) {
  lock.word.store(0, std::memory_order_relaxed);
  after_unlock(lock);
}

void Machine::lock_shared(xen::LockState& lock) {
  point(site_point(PointOp::kLock, lock.site));
  wait_for(lock, false);
  const uint32_t readers = lock.word.load(std::memory_order_relaxed) & ~kSharedLock;
  lock.word.store(kSharedLock | (readers + 1), std::memory_order_relaxed);
  shared_holders_.emplace_back(&lock, current_->id);
}

void Machine::unlock_shared(xen::LockState& lock) {
  const auto held = std::find(shared_holders_.begin(), shared_holders_.end(), std::pair(&lock, current_->id));
  XS_CHECK(held != shared_holders_.end());
  shared_holders_.erase(held);
  const uint32_t readers = (lock.word.load(std::memory_order_relaxed) & ~kSharedLock) - 1;
  lock.word.store(readers == 0 ? 0 : kSharedLock | readers, std::memory_order_relaxed);
  after_unlock(lock);
}

void Machine::wake_waiters(const xen::LockState& lock) {
  for (const auto& actor : actors_) {
    if (actor->waiting != &lock) continue;
    actor->waiting = nullptr;
    --waiters_;
    refresh(*actor);
  }
}

void Machine::after_unlock(xen::LockState& lock) {
  if (exploring()) {
    if (waiters_ != 0) [[unlikely]]
      wake_waiters(lock);
    if (drive_until_free_ == &lock) {
      cut(site_point(PointOp::kUnlock, lock.site));
      return;
    }
  }
  point(site_point(PointOp::kUnlock, lock.site));
}

void Machine::shared_access(xen::Site site, DomId, uint32_t, xen::SharedOp op) {
  const PointOp point_op = op == xen::SharedOp::kLoad    ? PointOp::kSharedLoad
                           : op == xen::SharedOp::kStore ? PointOp::kSharedStore
                                                         : PointOp::kSharedRmw;
  point(site_point(point_op, site));
}

}  // namespace xensim::sim
