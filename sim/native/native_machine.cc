// See native_machine.h.
#include "sim/native/native_machine.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <filesystem>
#include <new>

#include "models/base/check.h"
#include "sim/scenario/read_file.h"

namespace xensim::sim {

namespace {

// Address space below the guests', for what they are given of their vCPUs.
constexpr uint64_t kHandleBytes = 1 << 20;
// Without access: above the handles, so that a guest whose stack pointer leaves its RAM does not come to them.
constexpr uint64_t kGuard = 4096;

}  // namespace

NativeMachine::NativeMachine(const Scenario& scenario, const xen::Flavour& flavour, MachineMemory memory,
                             MachineMemory handles)
    : Machine(scenario, flavour, std::move(memory), *this), handles_(std::move(handles)), vcpus_(actors_.size()) {}

Result<std::unique_ptr<NativeMachine>> NativeMachine::make(const Scenario& scenario, const xen::Flavour& flavour) {
  uint64_t bytes = 64 << 20;
  for (const GuestConfig& guest : scenario.guests) {
    if (guest.vcpus > XS_NATIVE_MAX_VCPUS) {
      return input_error(fmt::format("{}: guest {} has {} vCPUs; the native backend runs at most {}", scenario.path,
                                     guest.name, guest.vcpus, XS_NATIVE_MAX_VCPUS));
    }
    bytes += guest.memory_bytes;
  }
  XS_TRY(auto memory, MachineMemory::reserve(bytes, kBase));
  XS_TRY(auto handles, MachineMemory::reserve(kHandleBytes, kBase - kHandleBytes));
  XS_CHECK(mprotect(handles.host(Maddr{kHandleBytes - kGuard}), kGuard, PROT_NONE) == 0);
  std::unique_ptr<NativeMachine> machine(new NativeMachine(scenario, flavour, std::move(memory), std::move(handles)));
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
    make_vcpus(domain, stacks);
  }
  return {};
}

void NativeMachine::make_vcpus(Domain& domain, std::byte* stacks) {
  for (size_t v = 0; v < domain.vcpus.size(); ++v) {
    Actor& actor = actors_[domain.vcpus[v]];
    actor.fiber = std::make_unique<Fiber>();
    Vcpu& vcpu = vcpus_[actor.id];
    vcpu.machine = this;
    vcpu.actor = &actor;
    vcpu.ram = reinterpret_cast<uint64_t>(memory_.host(domain.ram));
    vcpu.ram_bytes = domain.config->memory_bytes;
    std::byte* const stack = stacks + v * XS_NATIVE_STACK_BYTES;
    vcpu.stack_top = reinterpret_cast<uint64_t>(stack + XS_NATIVE_STACK_BYTES);
    // The lowest page of each stack can be read, as the core may be told to, and a guest that comes there by its stack
    // pointer faults.
    XS_CHECK_MSG(reinterpret_cast<uint64_t>(stack) % kGuard == 0, "xs_native_stacks is not aligned to a page");
    XS_CHECK(mprotect(stack, kGuard, PROT_READ) == 0);
    vcpu.handle = new (handles_.host(handles_.allocate(sizeof(Handle)))) Handle;
    vcpu.handle->ops = {&vcpu.handle->stack,    &xensim_guest_access, &xensim_guest_hypercall, &xensim_guest_console,
                        &xensim_guest_set_irq,  &xensim_guest_halt,   &xensim_guest_pause,     &xensim_guest_start_vcpu,
                        &xensim_guest_clock_ns, &xensim_guest_exit,   &xensim_guest_leave};
    vcpu.handle->stack.calls = kCalls;
    vcpu.handle->stack.owner = &vcpu;
  }
}

void NativeMachine::reset(const MachineOptions& options) {
  XS_CHECK_MSG(options.strategy != nullptr, "the native backend runs under a strategy");
  Machine::reset(options);
  faults_.set_alarm(options.wall == nullptr ? 0 : std::max<uint64_t>(options.wall->ns_left(), 1000));
  draining_ = false;
  for (size_t d = 0; d < guests_.size(); ++d) {
    guests_[d].program.reset();
    guests_[d].overlays.clear();
    guests_[d].holes.clear();
  }
  for (Vcpu& vcpu : vcpus_) vcpu.irq_enabled = vcpu.hint = vcpu.started = vcpu.at_point = false;
}

void NativeMachine::start_guests() {
  for (Domain& domain : domains_) start_fiber(vcpu_of(actors_[domain.vcpus[0]]));
}

void NativeMachine::start_fiber(Vcpu& vcpu) {
  XS_CHECK(!vcpu.started);
  vcpu.started = true;
  vcpu.actor->fiber->start(&NativeMachine::vcpu_entry, &vcpu);
}

void NativeMachine::vcpu_entry(void* pointer) {
  Vcpu& vcpu = *static_cast<Vcpu*>(pointer);
  NativeMachine& machine = *vcpu.machine;
  GuestStack& stack = vcpu.handle->stack;
  stack.guest_sp = vcpu.stack_top;
  machine.as_actor(*vcpu.actor, [&] { machine.api_->before_run(vcpu.actor->info.vcpu); });
  xensim_enter_guest(&stack, reinterpret_cast<void*>(machine.guests_[vcpu.actor->domain].main),
                     reinterpret_cast<uint64_t>(&vcpu.handle->ops), vcpu.actor->info.vcpu.vcpu.v);
  machine.as_actor(*vcpu.actor, [&] { machine.api_->halt(vcpu.actor->info.vcpu, false); });
  machine.stop_for_ever(vcpu);
}

void NativeMachine::run_vcpu(Actor& actor) {
  struct Running {
    NativeMachine& machine;
    explicit Running(NativeMachine& of) : machine(of) { machine.cutting_ = machine.in_fibers_ = true; }
    ~Running() { machine.cutting_ = machine.in_fibers_ = false; }
  } running(*this);
  actor.fiber->resume();
}

void NativeMachine::finish_entry(Actor& actor) {
  draining_ = true;
  actor.fiber->resume();
}

// Where guest code runs its stack pointer is anywhere but on the host's stack of its fiber. `host_sp` lies where guests
// can write.
uint64_t NativeMachine::landing_stack(uint64_t sp) const noexcept {
  if (!in_fibers_ || current_ == nullptr || current_->info.kind != ActorKind::kVcpu) return 0;
  const std::span<std::byte> stack = current_->fiber->stack();
  const auto begin = reinterpret_cast<uint64_t>(stack.data()), end = begin + stack.size();
  if (sp >= begin - kGuard && sp < end) return 0;
  const uint64_t host_sp = vcpus_[current_->id].handle->stack.host_sp;
  const uint64_t middle = begin + stack.size() / 2;
  return host_sp > middle && host_sp < end ? host_sp : middle;
}

namespace {

std::string fault_words(const GuestFault& fault) {
  switch (fault.signal) {
    case SIGFPE: return "division error";
    case SIGILL: return "invalid opcode";
    case SIGTRAP: return "breakpoint";
    default: return fmt::format("access to {:#x}, which is not the guest's", fault.address);
  }
}

}  // namespace

void NativeMachine::faulted(const GuestFault& fault) {
  Vcpu& vcpu = vcpu_of(*current_);
  if (fault.signal == SIGALRM) {
    fail_by_wall_limit();
    stop_for_ever(vcpu);
  }
  const uint64_t gpa = fault.rip - vcpu.ram;
  const bool inside = gpa < vcpu.ram_bytes;
  std::string what = fmt::format("{} at {}{:#x}", fault_words(fault), inside ? "image address " : "address ",
                                 inside ? gpa : fault.rip);
  guest_failed(vcpu, std::move(what));
}

void NativeMachine::interrupt_hint(VcpuRef ref) {
  Vcpu& vcpu = vcpu_of(actor_of(ref));
  vcpu.hint = true;
  if (vcpu.at_point) update_interrupt(vcpu);
}

void NativeMachine::assert_lapic_vector(VcpuRef vcpu, uint8_t) { interrupt_hint(vcpu); }

Maybe<Gpa> NativeMachine::translate(VcpuRef vcpu, Gva gva, xensim::Access) {
  const Domain& domain = domain_of(vcpu.dom);
  const uint64_t gpa = gva.v - reinterpret_cast<uint64_t>(memory_.host(domain.ram));
  if (gpa >= domain.config->memory_bytes) return std::nullopt;
  return Gpa{gpa};
}

void NativeMachine::set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool) {
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

std::byte* NativeMachine::resolve(Vcpu& vcpu, const volatile void* addr, uint32_t bytes) {
  const uint64_t gpa = gpa_of(vcpu, addr);
  if (gpa >= vcpu.ram_bytes || (gpa & (bytes - 1)) != 0) {
    guest_failed(vcpu, fmt::format("access outside the guest's RAM or misaligned, gpa {:#x}", gpa));
  }
  const Guest& guest = guests_[vcpu.actor->domain];
  const Gfn gfn{gpa >> kPageShift};
  for (const auto& [shown, frame] : guest.overlays) {
    if (shown == gfn) return memory_.host(Maddr{(frame.v << kPageShift) + gpa % kPageSize});
  }
  if (std::find(guest.holes.begin(), guest.holes.end(), gfn) != guest.holes.end()) {
    guest_failed(vcpu, fmt::format("access to a hole, gpa {:#x}", gpa));
  }
  return reinterpret_cast<std::byte*>(vcpu.ram + gpa);
}

}  // namespace xensim::sim
