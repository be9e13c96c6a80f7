#include "models/xen/poll.h"

#include <algorithm>
#include <bit>

#include "models/xen/abi/compat.h"
#include "models/xen/abi/public.h"
#include "models/xen/arguments.h"
#include "models/xen/clock.h"
#include "models/xen/port_ops.h"
#include "models/xen/timers.h"
#include "models/xen/upcall.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kMaxPolledPorts = 128;

Shared<uint64_t>& poll_word(Vcpu& vcpu) { return vcpu.domain().poll_mask[vcpu.id().v / 64]; }
uint64_t poll_bit(const Vcpu& vcpu) { return uint64_t{1} << (vcpu.id().v % 64); }

bool leave_poll_mask(Vcpu& vcpu) { return (poll_word(vcpu).fetch_and(~poll_bit(vcpu)) & poll_bit(vcpu)) != 0; }

// Wakes a vCPU whose bit was seen in the poll mask, if it waits for `port`.
void wake_poller(Entry& entry, Vcpu& vcpu, uint32_t port) {
  const uint32_t polled = vcpu.poll_port.load();
  if (polled != 0 && polled != kPollAny && polled != port) return;
  if (!leave_poll_mask(vcpu)) return;
  vcpu.poll_port.store(0);
  unblock(entry, vcpu);
}

// The running vCPU does not go to sleep after all. Whoever looked at `blocked` in the meantime may have told the
// Platform that the vCPU cannot run: it is told anew.
void stay_awake(Entry& entry, Vcpu& vcpu) {
  vcpu.blocked.store(0);
  if (!vcpu.told_runnable.load()) sync_runnable(entry, vcpu);
}

// How a poll that does not sleep ends.
int64_t leave_poll(Entry& entry, Vcpu& vcpu, int64_t result) {
  vcpu.poll_port.store(0);
  leave_poll_mask(vcpu);
  stay_awake(entry, vcpu);
  return result;
}

// 1: pending; 0: not; -EINVAL: no port that can be polled.
int64_t poll_port(HypercallContext& context, uint32_t port) {
  Domain& domain = context.domain;
  const bool lax = context.flavour().poll_accepts_closed_port;
  Channel* channel = domain.evtchn.find(port);
  if (channel == nullptr) return lax && port < domain.evtchn.ops().port_limit(domain) ? 0 : -XEN_EINVAL;
  SharedLockGuard guard(context, channel->lock);
  if (!channel->usable()) return lax ? 0 : -XEN_EINVAL;
  return domain.evtchn.ops().is_pending(context, domain, *channel) ? 1 : 0;
}

struct PollArgs {
  Gva ports;
  uint32_t count;
  uint64_t timeout_ns;
};

std::optional<uint32_t> read_port(HypercallContext& context, const PollArgs& args, uint32_t index) {
  return read_argument<uint32_t>(context, Gva{args.ports.v + index * sizeof(uint32_t)});
}

// Trait poll_reads_all_first: the ports go to Vcpu::polled_ports. 0 or an errno.
int64_t read_all_ports(HypercallContext& context, const PollArgs& args) {
  std::vector<uint32_t>& ports = context.vcpu.polled_ports;
  for (uint32_t i = 0; i < args.count; ++i) {
    const std::optional<uint32_t> port = read_port(context, args, i);
    if (!port) return -XEN_EFAULT;
    ports.push_back(*port);
  }
  const uint32_t limit = context.domain.evtchn.ops().port_limit(context.domain);
  const bool all_below = std::all_of(ports.begin(), ports.end(), [&](uint32_t port) { return port < limit; });
  return all_below ? 0 : -XEN_EINVAL;
}

// Is there nothing to sleep for? 1: a port is pending; 0: go to sleep; or an errno.
int64_t look_at_ports(HypercallContext& context, const PollArgs& args) {
  std::vector<uint32_t>& ports = context.vcpu.polled_ports;
  for (uint32_t i = 0; i < args.count; ++i) {
    if (i == ports.size()) {
      const std::optional<uint32_t> port = read_port(context, args, i);
      if (!port) return -XEN_EFAULT;
      ports.push_back(*port);
    }
    if (const int64_t state = poll_port(context, ports[i]); state != 0) return state;
  }
  return 0;
}

std::optional<PollArgs> read_poll_args(HypercallContext& context) {
  const Gva at{context.arg(1)};
  if (context.mode64()) {
    const auto args = read_argument<sched_poll>(context, at);
    if (!args) return std::nullopt;
    return PollArgs{{handle_value(args->ports)}, args->nr_ports, args->timeout};
  }
  const auto args = read_argument<abi32::sched_poll>(context, at);
  if (!args) return std::nullopt;
  return PollArgs{{handle_value(args->ports)}, args->nr_ports, args->timeout};
}

}  // namespace

void check_pollers(Entry& entry, Vcpu& vcpu, uint32_t port, bool masked) {
  Domain& domain = vcpu.domain();
  if (entry.flavour().poll_needs_vector_callback && !has_vector_callback(domain)) return;
  if (entry.flavour().poll_wakes_bound_vcpu_only || entry.flavour().b_x15_bound_poller) {
    if (masked && (poll_word(vcpu).load() & poll_bit(vcpu)) != 0) wake_poller(entry, vcpu, port);
    return;
  }
  for (uint32_t first = 0; first < domain.vcpu_count(); first += 64) {
    uint64_t bits = domain.poll_mask[first / 64].load();
    for (; bits != 0; bits &= bits - 1) {
      wake_poller(entry, *domain.vcpu(first + static_cast<uint32_t>(std::countr_zero(bits))), port);
    }
  }
}

void sync_runnable(Entry& entry, Vcpu& vcpu) {
  LockGuard guard(entry, vcpu.lock);
  // Whoever changes `blocked` or `down` comes here afterwards, so the last one in tells the Platform what holds now.
  // Only stay_awake() does not always: it looks at told_runnable, which is therefore false before `blocked` is read.
  vcpu.told_runnable.exchange(false);
  const bool blocked = vcpu.blocked.peek() != 0;
  const bool runnable = !blocked && vcpu.down.peek() == 0;
  const uint32_t state = vcpu.runstate.state;
  if (runnable) {
    if (state >= RUNSTATE_blocked) change_runstate(entry, vcpu, RUNSTATE_runnable);
  } else if (blocked && state <= RUNSTATE_runnable) {
    change_runstate(entry, vcpu, RUNSTATE_blocked);
  } else if (!blocked) {
    change_runstate(entry, vcpu, RUNSTATE_offline);
  }
  vcpu.told_runnable.store(runnable);
  entry.platform().set_runnable(vcpu.ref(), runnable);
}

void unblock(Entry& entry, Vcpu& vcpu) {
  if (vcpu.halted_for_good.load(std::memory_order_relaxed)) return;
  if (vcpu.blocked.take() == 0) return;
  // A poll ends when its vCPU is unblocked.
  if (vcpu.poll_port.load() != 0) {
    vcpu.poll_port.store(0);
    // Cleared again: another waker may have come between, and the vCPU gone back to sleep on the poll mask.
    if (leave_poll_mask(vcpu)) vcpu.blocked.store(0);
  }
  sync_runnable(entry, vcpu);
}

void kick(Entry& entry, Vcpu& vcpu) {
  unblock(entry, vcpu);
  entry.platform().kick(vcpu.ref());
}

namespace {

// Trait events_wait_for_vcpu_info: does an event wait that the vCPU cannot be told of?
bool keeps_awake(Entry& entry, Vcpu& vcpu) {
  if (!entry.flavour().events_wait_for_vcpu_info || vcpu.is_own_info(vcpu.info_at.peek())) return false;
  return vcpu.held_selector.load() != 0;
}

// The vCPU sleeps once its hypercall is over.
void go_to_sleep(Entry& entry, Vcpu& vcpu, bool interrupts_enabled) {
  vcpu.sleeps_interruptible = interrupts_enabled;
  stop_ticks_while_blocked(entry, vcpu);
  sync_runnable(entry, vcpu);
  update_runstate_area(entry, vcpu);
}

}  // namespace

void block(Entry& entry, Vcpu& vcpu, bool interrupts_enabled) {
  vcpu.blocked.store(1);
  // Events are looked for after `blocked` is set: an event that comes now either is seen here or wakes us.
  if ((interrupts_enabled && pending_upcall(entry, vcpu)) || keeps_awake(entry, vcpu)) {
    stay_awake(entry, vcpu);
    return;
  }
  vcpu.polled_ports.clear();
  go_to_sleep(entry, vcpu, interrupts_enabled);
}

int64_t poll(HypercallContext& context) {
  Vcpu& vcpu = context.vcpu;
  const std::optional<PollArgs> args = read_poll_args(context);
  if (!args) return -XEN_EFAULT;
  if (args->count > kMaxPolledPorts) return -XEN_EINVAL;

  vcpu.polled_ports.clear();
  if (context.flavour().poll_reads_all_first) {
    if (const int64_t error = read_all_ports(context, *args); error != 0) return error;
  }

  if (context.flavour().poll_looks_first) {
    if (const int64_t state = look_at_ports(context, *args); state != 0) return state > 0 ? 0 : state;
  }
  vcpu.blocked.store(1);
  vcpu.poll_port.store(kPollAny);
  poll_word(vcpu).fetch_or(poll_bit(vcpu));
  // From here on others see us and wake us: now look whether there is anything to sleep for.
  if (context.regs.interrupts_enabled && pending_upcall(context, vcpu)) return leave_poll(context, vcpu, 0);
  if (keeps_awake(context, vcpu)) return leave_poll(context, vcpu, 0);
  if (!context.flavour().poll_looks_first) {
    if (const int64_t state = look_at_ports(context, *args); state != 0)
      return leave_poll(context, vcpu, state > 0 ? 0 : state);
  }
  if (args->count == 1) vcpu.poll_port.store(vcpu.polled_ports[0]);
  // As in Xen, nothing takes this timer back when an event comes first (trait poll_timer_cancelled).
  if (args->timeout_ns != 0) arm_poll_timer(context, vcpu, args->timeout_ns);
  go_to_sleep(context, vcpu, context.regs.interrupts_enabled);
  return 0;
}

void poll_timer_expired(Entry& entry, Vcpu& vcpu) {
  if (leave_poll_mask(vcpu)) unblock(entry, vcpu);
}

}  // namespace xensim::xen
