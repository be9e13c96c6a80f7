// What a guest calls on a NativeMachine. Each call runs on its fiber's own stack (guest_stack.h).
#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "models/base/check.h"
#include "sim/native/native_machine.h"

namespace xensim::sim {

namespace {

template <class T>
uint64_t access_as(std::byte* host, uint32_t op, uint64_t operand, uint64_t expected) {
  T* word = reinterpret_cast<T*>(host);
  const T value = static_cast<T>(operand);
  switch (op) {
    case XS_OP_LOAD: return __atomic_load_n(word, __ATOMIC_SEQ_CST);
    case XS_OP_STORE: return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
    case XS_OP_XCHG: return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
    case XS_OP_CMPXCHG: {
      T old = static_cast<T>(expected);
      __atomic_compare_exchange_n(word, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
      return old;
    }
    case XS_OP_ADD: return __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
    case XS_OP_OR: return __atomic_fetch_or(word, value, __ATOMIC_SEQ_CST);
    case XS_OP_AND: return __atomic_fetch_and(word, value, __ATOMIC_SEQ_CST);
    default: return 0;  // refused before
  }
}

}  // namespace

void NativeMachine::guest_failed(Vcpu& vcpu, std::string&& what) {
  {
    const std::string taken = std::move(what);
    fail(FailureKind::kGuest, fmt::format("{}: {}", vcpu.actor->label, taken), vcpu.actor->label);
  }
  stop_for_ever(vcpu);
}

void NativeMachine::foreign_pointer(Vcpu& vcpu, const volatile void* pointer) {
  guest_failed(vcpu,
               fmt::format("a call is given {:#x}, which is not the guest's", reinterpret_cast<uint64_t>(pointer)));
}

// `or` and `and` of guests, which look at no other bits than those they change (access.h of the kit).
ObjectAccess NativeMachine::access_of(const std::byte* host, uint32_t op, uint32_t bytes, uint64_t operand) const {
  const uint64_t bits = op == XS_OP_OR ? operand : op == XS_OP_AND ? ~operand : ~uint64_t{0};
  return word_access(memory_.address(host), bytes, op == XS_OP_LOAD ? AccessKind::kRead : AccessKind::kWrite, bits);
}

// A point of the guest's own code: before what follows it, its interrupt may come.
void NativeMachine::pass_point(Vcpu& vcpu, const PointKey& key) {
  Actor& actor = *vcpu.actor;
  // As on the software CPU, which stands in HLT, or behind a PAUSE, at points without a name.
  const bool open = key.text != nullptr || key.op == PointOp::kHypercall;
  for (;;) {
    vcpu.at_point = open;
    if (open && vcpu.hint) update_interrupt(vcpu);
    stop_at(key);
    vcpu.at_point = false;
    if (!takes_interrupt(actor)) break;
    begin_handler(actor);
    deliver(vcpu);
    end_handler(actor);
  }
  set_interrupt(actor, false);
  touch({object_of(ObjectSpace::kHandler, actor.id), kWholeObject, AccessKind::kRead});
  touch(key.access);
}

void NativeMachine::update_interrupt(Vcpu& vcpu) {
  const bool ready = vcpu.irq_enabled && vcpu.hint;
  set_interrupt(*vcpu.actor, ready && core_.inspector->upcall_pending(vcpu.actor->info.vcpu));
}

// Takes upcalls as long as there are any. True: at least one was taken.
bool NativeMachine::deliver(Vcpu& vcpu) {
  bool taken = false;
  touch({object_of(ObjectSpace::kUpcall, vcpu.actor->id), kWholeObject, AccessKind::kRead});
  while (vcpu.irq_enabled && vcpu.hint) {
    vcpu.hint = false;
    const auto upcall = as_actor(*vcpu.actor, [&] { return api_->pending_upcall(vcpu.actor->info.vcpu); });
    if (!upcall) break;
    if (traces::EventWriter* writer = events()) {
      writer->write(traces::Interrupt{vcpu.actor->info.vcpu, upcall->vector, Gva{0}});
    }
    taken = true;
    vcpu.irq_enabled = false;
    xensim_enter_guest(&vcpu.handle->stack, reinterpret_cast<void*>(guests_[vcpu.actor->domain].upcall), 0, 0);
    vcpu.irq_enabled = true;
    vcpu.hint = true;
  }
  return taken;
}

void NativeMachine::wait_until_runnable(Vcpu& vcpu) {
  bool blocked = false;
  while (!vcpu.actor->can_run()) {
    blocked = true;
    cut({PointOp::kBlocked, 0, nullptr});
  }
  if (!blocked) return;
  as_actor(*vcpu.actor, [&] { api_->before_run(vcpu.actor->info.vcpu); });
}

void NativeMachine::stop_for_ever(Vcpu& vcpu) {
  vcpu.actor->in_entry = false;
  vcpu.actor->ended = true;
  refresh(*vcpu.actor);
  for (;;) cut({PointOp::kBlocked, 0, nullptr});
}

uint64_t NativeMachine::guest_access(Vcpu& vcpu, const char* name, uint32_t op, volatile void* addr, uint32_t bytes,
                                     uint64_t operand, uint64_t expected) {
  check_pointer(vcpu, name, 1);
  if (op > XS_OP_AND) guest_failed(vcpu, fmt::format("there is no access {}", op));
  pass_point(vcpu, {PointOp::kGuest, 0, name, access_of(resolve(vcpu, addr, bytes), op, bytes, operand)});
  if (traces::EventWriter* writer = events()) {
    const std::string_view text(name);
    writer->write(traces::Point{std::as_bytes(std::span(text.data(), text.size()))});
  }
  // Another may have changed what the page shows.
  std::byte* const host = resolve(vcpu, addr, bytes);
  switch (bytes) {
    case 1: return access_as<uint8_t>(host, op, operand, expected);
    case 2: return access_as<uint16_t>(host, op, operand, expected);
    case 4: return access_as<uint32_t>(host, op, operand, expected);
    default: return access_as<uint64_t>(host, op, operand, expected);
  }
}

uint64_t NativeMachine::guest_hypercall(Vcpu& vcpu, unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2,
                                        unsigned long a3, unsigned long a4) {
  pass_point(vcpu, {PointOp::kHypercall, static_cast<uint8_t>(nr), nullptr});
  ++outcome_.hypercalls;
  vcpu.actor->in_entry = true;
  xen::HypercallRegs regs;
  regs.interrupts_enabled = vcpu.irq_enabled;
  regs.nr = nr;
  regs.args = {a0, a1, a2, a3, a4, 0};
  for (;;) {
    const uint64_t result = api_->hypercall(vcpu.actor->info.vcpu, regs);
    const xen::HypercallRegs* const again = api_->continuation_of(vcpu.actor->info.vcpu);
    if (again != nullptr) regs = *again;
    vcpu.actor->in_entry = false;
    refresh(*vcpu.actor);
    if (draining_ || vcpu.actor->ended) stop_for_ever(vcpu);
    wait_until_runnable(vcpu);
    deliver(vcpu);
    if (again == nullptr) return result;
    vcpu.actor->in_entry = true;  // it was preempted, and goes on now that the upcall was taken
    regs.interrupts_enabled = vcpu.irq_enabled;
  }
}

void NativeMachine::guest_console(Vcpu& vcpu, const char* bytes, unsigned n) {
  check_pointer(vcpu, bytes, n);
  console_bytes(domains_[vcpu.actor->domain], xen::ConsoleChannel::kDebugPort, std::as_bytes(std::span(bytes, n)));
}

void NativeMachine::guest_set_irq(Vcpu& vcpu, int enabled) {
  vcpu.irq_enabled = enabled != 0;
  deliver(vcpu);
}

void NativeMachine::guest_halt(Vcpu& vcpu) {
  const VcpuRef ref = vcpu.actor->info.vcpu;
  // An interrupt that waits for STI and HLT comes without a halt.
  if (!vcpu.hint || !core_.inspector->upcall_pending(ref)) pass_point(vcpu, {PointOp::kHalt, 0, nullptr});
  vcpu.irq_enabled = true;
  if (core_.inspector->halt_unmasks(ref)) as_actor(*vcpu.actor, [&] { api_->before_halt(ref); });
  while (!deliver(vcpu)) {
    as_actor(*vcpu.actor, [&] { api_->halt(ref, true); });
    if (vcpu.actor->can_run()) vcpu.hint = true;
    wait_until_runnable(vcpu);
  }
}

void NativeMachine::guest_pause(Vcpu& vcpu, const char* name) {
  if (name == nullptr) return pass_point(vcpu, {PointOp::kPause, 0, nullptr});
  check_pointer(vcpu, name, 1);
  const bool begins = std::string_view(name).ends_with(" begin");
  if (begins) search_from_here();
  pass_point(vcpu, {begins ? PointOp::kGuest : PointOp::kPause, 0, name});
}

void NativeMachine::guest_start_vcpu(Vcpu& vcpu, unsigned number) {
  Domain& domain = domains_[vcpu.actor->domain];
  if (number >= domain.vcpus.size()) return;  // no such local APIC: the IPI goes nowhere
  Vcpu& other = vcpu_of(actors_[domain.vcpus[number]]);
  if (other.started) guest_failed(vcpu, fmt::format("vCPU {} was started twice", number));
  start_fiber(other);
  as_actor(*vcpu.actor, [&] { api_->wake(other.actor->info.vcpu, true); });
}

uint64_t NativeMachine::guest_clock_ns(Vcpu&) { return look_at_clock().v; }

void NativeMachine::guest_exit(Vcpu& vcpu, int reason) {
  end_domain(domains_[vcpu.actor->domain], static_cast<xen::ShutdownReason>(reason));
  stop_for_ever(vcpu);
}

// Between here and a guest's frames nothing may be thrown. What this call had on the stack is unwound; calls that it
// interrupted own nothing.
template <auto kCall, class... Args>
uint64_t NativeMachine::on_host(Vcpu* vcpu, Args... args) {
  std::exception_ptr failure;
  try {
    if constexpr (std::is_void_v<decltype((vcpu->machine->*kCall)(*vcpu, args...))>) {
      (vcpu->machine->*kCall)(*vcpu, args...);
      return 0;
    } else {
      return (vcpu->machine->*kCall)(*vcpu, args...);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  vcpu->actor->fiber->fail(std::move(failure));
}

const void* const NativeMachine::kCalls[] = {
    reinterpret_cast<const void*>(
        &on_host<&NativeMachine::guest_access, const char*, uint32_t, volatile void*, uint32_t, uint64_t, uint64_t>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_hypercall, unsigned, unsigned long, unsigned long,
                                           unsigned long, unsigned long, unsigned long>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_console, const char*, unsigned>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_set_irq, int>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_halt>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_pause, const char*>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_start_vcpu, unsigned>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_clock_ns>),
    reinterpret_cast<const void*>(&on_host<&NativeMachine::guest_exit, int>),
};

}  // namespace xensim::sim
