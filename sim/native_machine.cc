// See native_machine.h.
#include "sim/native_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "models/base/check.h"
#include "sim/read_file.h"

namespace xensim::sim {

namespace {

// Where the machine's memory lies in the host: free in every process, also under the address sanitizer.
constexpr uint64_t kNativeBase = 0x200000000000;

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
    default: check_failed(__FILE__, __LINE__, fmt::format("the guest kit has no access {}", op));
  }
}

}  // namespace

NativeMachine::NativeMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory)
    : Machine(scenario, flavour, std::move(memory)), vcpus_(actors_.size()) {}

Result<std::unique_ptr<NativeMachine>> NativeMachine::make(const Scenario& scenario, const xen::Flavour& flavour) {
  uint64_t bytes = 64 << 20;
  for (const GuestConfig& guest : scenario.guests) {
    if (guest.vcpus > XS_NATIVE_MAX_VCPUS) {
      return input_error(fmt::format("{}: guest {} has {} vCPUs; the native backend runs at most {}", scenario.path,
                                     guest.name, guest.vcpus, XS_NATIVE_MAX_VCPUS));
    }
    bytes += guest.memory_bytes;
  }
  XS_TRY(auto memory, MachineMemory::reserve(bytes, kNativeBase));
  std::unique_ptr<NativeMachine> machine(new NativeMachine(scenario, flavour, std::move(memory)));
  XS_TRY_STATUS(machine->load_guests());
  return machine;
}

Status NativeMachine::load_guests() {
  for (Domain& domain : domains_) {
    std::filesystem::path path(domain.config->image);
    path.replace_extension(".so");
    XS_TRY(auto file, read_file(path.string()));
    XS_TRY(const auto image, pc::read_native_image(path.string(), file));
    const auto ram = memory_.host(domain.ram, domain.config->memory_bytes);
    XS_TRY(auto program, pc::NativeProgram::place(image, file, ram));
    std::byte* const main = program.symbol("xs_native_main");
    std::byte* const upcall = program.symbol("xs_native_upcall");
    std::byte* const stacks = program.symbol("xs_native_stacks");
    if (main == nullptr || upcall == nullptr || stacks == nullptr) {
      return input_error(
          path.string() +
          ": lacks xs_native_main, xs_native_upcall or xs_native_stacks; was it built with the guest kit?");
    }
    guests_.push_back({std::move(program),
                       reinterpret_cast<xs_native_main_fn>(main),
                       reinterpret_cast<xs_native_upcall_fn>(upcall),
                       {},
                       {}});
    for (size_t v = 0; v < domain.vcpus.size(); ++v) {
      Actor& actor = *actors_[domain.vcpus[v]];
      actor.fiber = std::make_unique<Fiber>(
          std::span<std::byte>(stacks + v * XS_NATIVE_STACK_BYTES, size_t{XS_NATIVE_STACK_BYTES}));
      Vcpu& vcpu = vcpus_[actor.id];
      vcpu.machine = this;
      vcpu.actor = &actor;
      vcpu.ops = {&vcpu,    &op_access, &op_hypercall,  &op_console,  &op_set_irq,
                  &op_halt, &op_pause,  &op_start_vcpu, &op_clock_ns, &op_exit};
    }
  }
  return {};
}

void NativeMachine::reset(const MachineOptions& options) {
  XS_CHECK_MSG(options.strategy != nullptr, "the native backend runs under a strategy");
  Machine::reset(options);
  draining_ = false;
  for (size_t d = 0; d < guests_.size(); ++d) {
    guests_[d].program.reset();
    guests_[d].overlays.clear();
    guests_[d].holes.clear();
  }
  for (Vcpu& vcpu : vcpus_) vcpu.irq_enabled = vcpu.hint = vcpu.started = vcpu.was_blocked = false;
}

void NativeMachine::start_guests() {
  for (Domain& domain : domains_) start_fiber(vcpu_of(*actors_[domain.vcpus[0]]));
}

void NativeMachine::start_fiber(Vcpu& vcpu) {
  XS_CHECK_MSG(!vcpu.started, vcpu.actor->label + " was started twice");
  vcpu.started = true;
  vcpu.actor->fiber->start(&NativeMachine::vcpu_entry, &vcpu);
}

void NativeMachine::vcpu_entry(void* pointer) {
  Vcpu& vcpu = *static_cast<Vcpu*>(pointer);
  NativeMachine& machine = *vcpu.machine;
  machine.as_actor(*vcpu.actor, [&] { machine.api_->before_run(vcpu.actor->info.vcpu); });
  machine.guests_[vcpu.actor->domain].main(&vcpu.ops, vcpu.actor->info.vcpu.vcpu.v);
  machine.as_actor(*vcpu.actor, [&] { machine.api_->halt(vcpu.actor->info.vcpu, false); });
  machine.stop_for_ever(vcpu);
}

void NativeMachine::run_vcpu(Actor& actor) {
  cutting_ = true;
  actor.fiber->resume();
  cutting_ = false;
}

void NativeMachine::finish_entry(Actor& actor) {
  draining_ = true;
  actor.fiber->resume();
}

void NativeMachine::interrupt_hint(VcpuRef vcpu) { vcpu_of(actor_of(vcpu)).hint = true; }

void NativeMachine::assert_lapic_vector(VcpuRef vcpu, uint8_t) { interrupt_hint(vcpu); }

std::optional<Gpa> NativeMachine::translate(VcpuRef vcpu, Gva gva, Access) {
  const Domain& domain = domain_of(vcpu.dom);
  const uint64_t gpa = gva.v - reinterpret_cast<uint64_t>(memory_.host(domain.ram));
  if (gpa >= domain.config->memory_bytes) return std::nullopt;
  return Gpa{gpa};
}

void NativeMachine::set_mapping(DomId dom, Gfn gfn, std::optional<Mfn> frame, bool) {
  Domain& domain = domain_of(dom);
  Guest& guest = guests_[static_cast<size_t>(&domain - domains_.data())];
  std::erase_if(guest.overlays, [gfn](const auto& overlay) { return overlay.first == gfn; });
  std::erase(guest.holes, gfn);
  if (!frame) {
    guest.holes.push_back(gfn);
  } else if (frame->v != (domain.ram.v >> kPageShift) + gfn.v) {
    guest.overlays.emplace_back(gfn, *frame);
  }
}

std::byte* NativeMachine::resolve(const Vcpu& vcpu, const volatile void* addr, uint32_t bytes) {
  const Domain& domain = domains_[vcpu.actor->domain];
  const uint64_t gpa = reinterpret_cast<uint64_t>(addr) - reinterpret_cast<uint64_t>(memory_.host(domain.ram));
  XS_CHECK_MSG(gpa < domain.config->memory_bytes && gpa % bytes == 0,
               fmt::format("{}: access outside the guest's RAM or misaligned, gpa {:#x}", vcpu.actor->label, gpa));
  const Guest& guest = guests_[vcpu.actor->domain];
  const Gfn gfn{gpa >> kPageShift};
  for (const auto& [shown, frame] : guest.overlays) {
    if (shown == gfn) return memory_.host(Maddr{(frame.v << kPageShift) + gpa % kPageSize});
  }
  XS_CHECK_MSG(std::find(guest.holes.begin(), guest.holes.end(), gfn) == guest.holes.end(),
               fmt::format("{}: access to a hole, gpa {:#x}", vcpu.actor->label, gpa));
  return memory_.host(Maddr{domain.ram.v + gpa});
}

void NativeMachine::named_point(const char* name) {
  point({PointOp::kGuest, 0, name});
  if (traces::EventWriter* writer = events()) {
    const std::string_view text(name);
    writer->write(traces::Point{std::as_bytes(std::span(text.data(), text.size()))});
  }
}

// Takes upcalls as long as there are any. True: at least one was taken.
bool NativeMachine::deliver(Vcpu& vcpu) {
  bool taken = false;
  while (vcpu.irq_enabled && vcpu.hint) {
    vcpu.hint = false;
    const auto upcall = as_actor(*vcpu.actor, [&] { return api_->pending_upcall(vcpu.actor->info.vcpu); });
    if (!upcall) break;
    if (traces::EventWriter* writer = events()) {
      writer->write(traces::Interrupt{vcpu.actor->info.vcpu, upcall->vector, Gva{0}});
    }
    taken = true;
    vcpu.irq_enabled = false;
    guests_[vcpu.actor->domain].upcall();
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
  if (blocked) as_actor(*vcpu.actor, [&] { api_->before_run(vcpu.actor->info.vcpu); });
}

void NativeMachine::stop_for_ever(Vcpu& vcpu) {
  vcpu.actor->in_entry = false;
  vcpu.actor->ended = true;
  refresh(*vcpu.actor);
  for (;;) cut({PointOp::kBlocked, 0, nullptr});
}

uint64_t NativeMachine::op_access(void* ctx, const char* name, uint32_t op, volatile void* addr, uint32_t bytes,
                                  uint64_t operand, uint64_t expected) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  machine.named_point(name);
  machine.deliver(vcpu);
  std::byte* host = machine.resolve(vcpu, addr, bytes);
  switch (bytes) {
    case 1: return access_as<uint8_t>(host, op, operand, expected);
    case 2: return access_as<uint16_t>(host, op, operand, expected);
    case 4: return access_as<uint32_t>(host, op, operand, expected);
    default: return access_as<uint64_t>(host, op, operand, expected);
  }
}

long NativeMachine::op_hypercall(void* ctx, unsigned nr, unsigned long a0, unsigned long a1, unsigned long a2,
                                 unsigned long a3, unsigned long a4) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  machine.point({PointOp::kHypercall, static_cast<uint8_t>(nr), nullptr});
  ++machine.outcome_.hypercalls;
  vcpu.actor->in_entry = true;
  xen::HypercallRegs regs;
  regs.interrupts_enabled = vcpu.irq_enabled;
  regs.nr = nr;
  regs.args = {a0, a1, a2, a3, a4, 0};
  const uint64_t result = machine.api_->hypercall(vcpu.actor->info.vcpu, regs);
  vcpu.actor->in_entry = false;
  machine.refresh(*vcpu.actor);
  if (machine.draining_ || vcpu.actor->ended) machine.stop_for_ever(vcpu);
  machine.wait_until_runnable(vcpu);
  machine.deliver(vcpu);
  return static_cast<long>(result);
}

void NativeMachine::op_console(void* ctx, const char* bytes, unsigned n) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  machine.console_bytes(machine.domains_[vcpu.actor->domain], xen::ConsoleChannel::kDebugPort,
                        std::as_bytes(std::span(bytes, n)));
}

void NativeMachine::op_set_irq(void* ctx, int enabled) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  vcpu.irq_enabled = enabled != 0;
  vcpu.machine->deliver(vcpu);
}

void NativeMachine::op_halt(void* ctx) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  machine.point({PointOp::kHalt, 0, nullptr});
  vcpu.irq_enabled = true;
  while (!machine.deliver(vcpu)) {
    machine.as_actor(*vcpu.actor, [&] { machine.api_->halt(vcpu.actor->info.vcpu, true); });
    if (vcpu.actor->can_run()) vcpu.hint = true;
    machine.wait_until_runnable(vcpu);
  }
}

void NativeMachine::op_pause(void* ctx, const char* name) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  vcpu.machine->point({PointOp::kPause, 0, name});
  vcpu.machine->deliver(vcpu);
}

void NativeMachine::op_start_vcpu(void* ctx, unsigned number) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  Domain& domain = machine.domains_[vcpu.actor->domain];
  if (number >= domain.vcpus.size()) return;  // no such local APIC: the IPI goes nowhere
  Vcpu& other = machine.vcpu_of(*machine.actors_[domain.vcpus[number]]);
  machine.start_fiber(other);
  machine.as_actor(*vcpu.actor, [&] { machine.api_->wake(other.actor->info.vcpu, true); });
}

uint64_t NativeMachine::op_clock_ns(void* ctx) { return static_cast<Vcpu*>(ctx)->machine->time().v; }

void NativeMachine::op_exit(void* ctx, int reason) {
  Vcpu& vcpu = *static_cast<Vcpu*>(ctx);
  NativeMachine& machine = *vcpu.machine;
  machine.end_domain(machine.domains_[vcpu.actor->domain], static_cast<xen::ShutdownReason>(reason));
  machine.stop_for_ever(vcpu);
}

}  // namespace xensim::sim
