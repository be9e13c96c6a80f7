#include "models/xen/timers.h"

#include <algorithm>
#include <utility>

#include "models/xen/abi/public.h"
#include "models/xen/evtchn.h"

namespace xensim::xen {
namespace {

// set_timer_op takes a time further ahead than this, about 13 days, for a wrapped one and fires after kFallbackNs.
constexpr uint64_t kFarAheadNs = uint64_t{1} << 50;
constexpr uint64_t kFallbackNs = 100'000'000;

TimerId timer(TimerKind kind, const Vcpu& vcpu) { return {kind, vcpu.ref()}; }

// Time is signed: what a guest means as far ahead, above 2^63, has long been.
VirtualNs due_at(uint64_t time_ns) { return VirtualNs{(time_ns >> 63) != 0 ? 0 : time_ns}; }

bool is_past(const Flavour& flavour, uint64_t time_ns, uint64_t now_ns) {
  if (flavour.timer_far_ahead_is_later) return static_cast<int64_t>(time_ns - now_ns) <= 0;
  return time_ns < now_ns || (time_ns >> 63) != 0;
}

// Sends the tick that is due, if one is, and arms the timer for the next. The caller holds no lock: a tick takes the
// channel's.
void tick(Entry& entry, Vcpu& vcpu) {
  const uint64_t now = entry.platform().now().v;
  bool due = false;
  uint64_t next = 0;
  {
    LockGuard guard(entry, vcpu.lock);
    if (vcpu.periodic_period_ns == 0) return;
    due = now >= vcpu.periodic_last_ns + vcpu.periodic_period_ns;
    if (due) vcpu.periodic_last_ns = now;
    next = vcpu.periodic_last_ns + vcpu.periodic_period_ns;
    entry.platform().arm_timer(timer(TimerKind::kPeriodic, vcpu), VirtualNs{next});
  }
  if (due) send_timer_event(entry, vcpu);
}

}  // namespace

void send_timer_event(Entry& entry, Vcpu& vcpu) { send_vcpu_virq(entry, vcpu, VIRQ_TIMER); }

void set_singleshot(Entry& entry, Vcpu& vcpu, uint64_t deadline_ns) {
  if (is_past(entry.flavour(), deadline_ns, entry.platform().now().v)) {
    stop_singleshot(entry, vcpu);
    send_timer_event(entry, vcpu);
  } else {
    entry.platform().arm_timer(timer(TimerKind::kSingleshot, vcpu), VirtualNs{deadline_ns});
  }
}

void stop_singleshot(Entry& entry, Vcpu& vcpu) { entry.platform().cancel_timer(timer(TimerKind::kSingleshot, vcpu)); }

void arm_poll_timer(Entry& entry, Vcpu& vcpu, uint64_t timeout_ns) {
  VirtualNs deadline = due_at(timeout_ns);
  if (entry.flavour().poll_timeout_relative) {
    const uint64_t now = entry.platform().now().v;
    deadline = VirtualNs{timeout_ns > ~uint64_t{0} - now ? ~uint64_t{0} : now + timeout_ns};
  }
  vcpu.poll_timer_armed = true;
  entry.platform().arm_timer(timer(TimerKind::kPoll, vcpu), deadline);
}

void after_poll(Entry& entry, Vcpu& vcpu) {
  if (!entry.flavour().poll_timer_cancelled || !std::exchange(vcpu.poll_timer_armed, false)) return;
  entry.platform().cancel_timer(timer(TimerKind::kPoll, vcpu));
}

void set_periodic(Entry& entry, Vcpu& vcpu, uint64_t period_ns) {
  {
    LockGuard guard(entry, vcpu.lock);
    entry.platform().cancel_timer(timer(TimerKind::kPeriodic, vcpu));
    vcpu.periodic_period_ns = period_ns;
  }
  if (period_ns == 0) return;
  if (entry.flavour().periodic_starts_a_period_later) {
    const uint64_t now = entry.platform().now().v;
    LockGuard guard(entry, vcpu.lock);
    vcpu.periodic_last_ns = now;
    entry.platform().arm_timer(timer(TimerKind::kPeriodic, vcpu), VirtualNs{now + period_ns});
  } else {
    tick(entry, vcpu);  // the last tick counts, whatever the period was then
  }
}

void stop_ticks_while_blocked(Entry& entry, Vcpu& vcpu) {
  if (entry.flavour().periodic_ticks_while_blocked) return;
  LockGuard guard(entry, vcpu.lock);
  if (vcpu.periodic_period_ns != 0) entry.platform().cancel_timer(timer(TimerKind::kPeriodic, vcpu));
}

void periodic_work(Entry& entry, Vcpu& vcpu) { tick(entry, vcpu); }

// Hypercall 15: the current vCPU's singleshot timer, by absolute system time; in 32-bit mode the time takes two
// registers.
int64_t do_set_timer_op(HypercallContext& context) {
  const uint64_t timeout = context.mode64() ? context.arg(0) : (context.arg(0) & 0xffffffff) | (context.arg(1) << 32);
  Vcpu& vcpu = context.vcpu;
  if (timeout == 0) {
    stop_singleshot(context, vcpu);
    return 0;
  }
  const uint64_t now = context.platform().now().v;
  const bool negative = (timeout >> 63) != 0;
  const bool far_ahead = timeout > now && timeout - now >= kFarAheadNs;
  const uint64_t deadline = negative || far_ahead ? now + kFallbackNs : timeout;
  context.platform().arm_timer(timer(TimerKind::kSingleshot, vcpu), VirtualNs{deadline});
  return 0;
}

}  // namespace xensim::xen
