#include "models/x86/soft_cpu.h"

#include <fmt/format.h>

#include "models/base/check.h"
#include "models/x86/engine/must.h"
#include "models/x86/fast/fast_paths.h"
#include "models/x86/fast/known_builds.h"
#include "models/x86/soft_cpu_impl.h"

namespace xensim::x86 {

Result<std::unique_ptr<Cpu>> make_soft_cpu(CpuClient& client, const SoftCpuConfig& config) {
  if (config.vcpus == 0) return input_error("a domain needs at least one vCPU");
  XS_TRY(auto engine, Engine::open());
  auto cpu = std::make_unique<SoftCpu>(client, std::move(engine), config);
  XS_TRY_STATUS(cpu->add_hooks());
  return std::unique_ptr<Cpu>(std::move(cpu));
}

SoftCpu::SoftCpu(CpuClient& client, std::unique_ptr<Engine> engine, const SoftCpuConfig& config)
    : client_(client),
      engine_(std::move(engine)),
      memory_(*engine_, *this, config.holes_read_zero, config.frames),
      whole_blocks_(config.whole_blocks),
      nmi_waits_for_exit_(config.nmi_waits_for_exit),
      fetch_outside_ram_halts_(config.fetch_outside_ram_halts) {
  if (!config.plain_engine) fast_ = FastPaths::make(*this, *engine_, memory_, config.build_id);
  if (fast_) {
    count_ = &fast_->count();
  } else {
    recent_.resize(size_t{1} << kRecentBits);
  }
  for (unsigned i = 0; i < config.vcpus; ++i) {
    vcpus_.push_back(std::make_unique<Vcpu>(*engine_));
    vcpus_.back()->waiting_for_sipi = i != 0;
    vcpus_.back()->msrs.machine_checks.settable = config.settable_machine_checks;
  }
}

SoftCpu::~SoftCpu() = default;

std::string why_engine_is_plain() {
  if (std::string why = why_no_fast_paths(); !why.empty()) return why;
  const auto engine = Engine::open();
  if (engine && !FastPaths::gate_fits(**engine))
    return "no page within 2 GiB of the engine's code is free for the gate";
  return {};
}

// Puts a vCPU into the engine. The engine's TLB holds the other's translations, which this one could have made by
// itself where both use the same page tables in the same way: what either flushes is flushed for both. Else all of it
// is flushed.
void SoftCpu::enter(uint32_t index) {
  if (loaded_ == index) return;
  bool same_tables = false;
  if (loaded_ != ~0u) {
    same_tables = state().translates_as(vcpus_[index]->state);
    write_back();
  }
  loaded_ = index;
  current_ = vcpus_[index].get();
  current_->state.store(engine_->get());
  if (!same_tables) engine_->flush_tlb();
  synced_ = true;
  dirty_ = false;
}

State& SoftCpu::state() {
  if (!synced_) {
    current_->state.load(engine_->get());
    synced_ = true;
  }
  return current_->state;
}

State& SoftCpu::state_of(VcpuId id) const {
  Vcpu& v = *vcpus_.at(id.v);
  if (loaded_ == id.v && !synced_) {
    v.state.load(engine_->get());
    synced_ = true;
  }
  return v.state;
}

void SoftCpu::write_back() {
  if (!dirty_) return;
  current_->state.store(engine_->get());
  dirty_ = false;
}

CpuExit SoftCpu::leave(CpuExit exit) {
  running_ = false;
  return exit;
}

CpuExit SoftCpu::run(VcpuId id, uint64_t max_instructions) {
  XS_CHECK(!running_);
  Vcpu& v = vcpu(id);
  if (v.waiting_for_sipi) return CpuExit::kHalt;
  if (max_instructions == 0) return CpuExit::kSlice;
  enter(id.v);
  write_back();
  memory_.look_at_shared_code();
  make_room();
  running_ = true;
  limit_ = max_instructions > kNone - v.retired ? kNone : v.retired + max_instructions;
  stop_requested_ = false;
  exit_.reset();
  failure_ = nullptr;
  engine_fails_ = false;
  error_.clear();
  block_ = nullptr;
  done_ = open_ = 0;
  stepping_ = stepped_ = false;
  rep_pc_ = kNone;
  count_->last = 0;
  look_at_blocks();
  attend();
  end_hook();

  // At its start the engine takes the arithmetic flags from the flags register's own word, where a state that was
  // restored does not have them: writing the register puts them there.
  uint64_t rip = 0, flags = 0;
  must(uc_reg_read(engine_->get(), UC_X86_REG_RFLAGS, &flags));
  must(uc_reg_write(engine_->get(), UC_X86_REG_RFLAGS, &flags));
  must(uc_reg_read(engine_->get(), UC_X86_REG_RIP, &rip));
  synced_ = false;
  const uc_err err = uc_emu_start(engine_->get(), rip, 0, 0, 0);
  begin_hook();
  memory_.look_at_shared_code();
  synced_ = false;
  dirty_ = false;
  running_ = false;
  if (v.init_held && !requests_held()) init(id);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (exit_) return *exit_;
  if (err == UC_ERR_FETCH_PROT) return fetched_outside_ram();
  const State& s = state();
  error_ = fmt::format("the engine stopped at rip {:#x} ({})", s.rip(), uc_strerror(err));
  return CpuExit::kError;
}

// The engine executes RAM and ROM alone, and stops before a block of anything else. Counted as an instruction: a guest
// whose #GP handler lies there too comes to its limit.
CpuExit SoftCpu::fetched_outside_ram() {
  ++current_->retired;
  if (fetch_outside_ram_halts_) {
    State& s = state();
    s.set_rflags(s.rflags() & ~flag::kIf);
    changed();
    return CpuExit::kHalt;
  }
  raise(kGeneralProtection);
  return exit_.value_or(CpuExit::kSlice);
}

uint64_t SoftCpu::instructions(VcpuId id) const { return vcpu(id).retired; }

void SoftCpu::limit_slice(uint64_t more) {
  if (!running_) return;
  uint64_t end = more > kNone - current_->retired ? kNone : current_->retired + more;
  if (in_block_) end = std::max(end, natural_end_);
  limit_ = std::min(limit_, end);
  attend();
}

void SoftCpu::request_stop() {
  stop_requested_ = true;
  if (running_ && in_block_) current_->hold_until = natural_end_;
  if (running_) attend();
}

void SoftCpu::raise_interrupt(VcpuId id) {
  Vcpu& v = vcpu(id);
  v.interrupt = true;
  v.nmi_late = false;
  if (!running_ || &v != current_) return;
  look_at_blocks();
  if (in_block_) v.hold_until = natural_end_;
  attend();
}

void SoftCpu::raise_nmi(VcpuId id) {
  Vcpu& v = vcpu(id);
  v.nmi = true;
  v.nmi_late = false;
  if (!running_ || &v != current_) return;
  if (in_block_) v.hold_until = natural_end_;
  attend();
}

bool SoftCpu::nmi_ready(VcpuId id) const { return vcpu(id).nmi && !state_of(id).nmis_blocked(); }

CpuRegs SoftCpu::regs(VcpuId id) const {
  const State& s = state_of(id);
  CpuRegs r;
  for (unsigned i = 0; i < 16; ++i) r.gpr[i] = s.gpr(i);
  r.rip = s.rip();
  r.rflags = s.rflags();
  for (unsigned i = 0; i < kSegCount; ++i) r.seg[i] = s.segment(i);
  r.gdtr = s.gdtr();
  r.idtr = s.idtr();
  r.cr0 = s.cr(0);
  r.cr2 = s.cr(2);
  r.cr3 = s.cr(3);
  r.cr4 = s.cr(4);
  r.efer = s.efer();
  return r;
}

void SoftCpu::set_regs(VcpuId id, const CpuRegs& r) {
  State& s = state_of(id);
  for (unsigned i = 0; i < 16; ++i) s.set_gpr(i, r.gpr[i]);
  s.set_rip(r.rip);
  s.set_rflags(r.rflags);
  for (unsigned i = 0; i < kSegCount; ++i) s.set_segment(i, r.seg[i]);
  s.set_gdtr(r.gdtr);
  s.set_idtr(r.idtr);
  s.set_cr(0, r.cr0);
  s.set_cr(2, r.cr2);
  s.set_cr(3, r.cr3);
  s.set_cr(4, r.cr4);
  // LMA follows from LME and paging; a caller need not set it.
  const bool lma = (r.efer & efer::kLme) && (r.cr0 & cr0::kPg);
  s.set_efer((r.efer & ~efer::kLma) | (lma ? efer::kLma : 0));
  const bool protection = (r.cr0 & cr0::kPe) != 0;
  s.set_cpl(!protection ? 0 : r.rflags & flag::kVm ? 3 : seg::dpl(r.seg[kSs].attributes));
  vcpu(id).skip_point = false;
  vcpu(id).waiting_for_sipi = false;
  if (loaded_ != id.v) return;
  dirty_ = true;
  if (!running_) write_back();
  engine_->flush_tlb();
}

uint64_t SoftCpu::gpr(VcpuId id, Gpr reg) const { return state_of(id).gpr(reg); }

void SoftCpu::set_gpr(VcpuId id, Gpr reg, uint64_t value) {
  state_of(id).set_gpr(reg, value);
  if (loaded_ != id.v) return;
  dirty_ = true;
  if (!running_) write_back();
}

CpuMode SoftCpu::mode(VcpuId id) const { return state_of(id).mode(); }
unsigned SoftCpu::cpl(VcpuId id) const { return state_of(id).cpl(); }

void SoftCpu::complete_hypercall(VcpuId id) {
  State& s = state_of(id);
  s.advance_rip(3);
  s.set_shadow(false);
  ++vcpu(id).retired;
  if (loaded_ != id.v) return;
  dirty_ = true;
  if (!running_) write_back();
}

void SoftCpu::init(VcpuId id) {
  Vcpu& v = vcpu(id);
  if (running_ && in_block_ && loaded_ == id.v) {
    v.init_held = true;
    v.hold_until = natural_end_;
    return attend();
  }
  // INIT keeps the FPU and the MSRs apart from EFER (SDM vol. 3, table 10-1); neither is observable before a reset
  // value is written by real start-up code, so the power-up state will do but for the TSC_AUX and memory types, which
  // are kept.
  state_of(id).reset(*engine_);
  v.waiting_for_sipi = true;
  v.interrupt = v.nmi = v.nmi_late = v.owed_shadow = v.skip_point = v.init_held = false;
  v.armed = v.after_mov_ss = false;
  v.debug_hits = 0;
  v.hold_until = 0;
  if (loaded_ != id.v) return;
  dirty_ = true;
  if (!running_) write_back();
  if (running_) stop(CpuExit::kHalt);
}

void SoftCpu::startup(VcpuId id, uint8_t vector) {
  Vcpu& v = vcpu(id);
  if (!v.waiting_for_sipi) return;
  State& s = state_of(id);
  SegmentRegister cs = s.segment(kCs);
  cs.selector = static_cast<uint16_t>(vector << 8);
  cs.base = uint64_t{vector} << 12;
  s.set_segment(kCs, cs);
  s.set_rip(0);
  v.waiting_for_sipi = false;
  if (loaded_ != id.v) return;
  dirty_ = true;
  if (!running_) write_back();
}

Status SoftCpu::map_memory(Gpa gpa, std::span<std::byte> host, bool writable) {
  if (fast_) fast_->memory_moved();
  return memory_.map_ram(gpa.v, host, writable);
}
void SoftCpu::unmap_memory(Gpa gpa, uint64_t bytes) {
  if (fast_) fast_->memory_moved();
  memory_.unmap(gpa.v, bytes);
}
Status SoftCpu::map_mmio(Gpa gpa, uint64_t bytes) {
  if (fast_) fast_->memory_moved();
  return memory_.map_mmio(gpa.v, bytes);
}
void SoftCpu::invalidate_code(Gpa gpa, uint64_t bytes) { memory_.invalidate_code(gpa.v, bytes); }

std::optional<Gpa> SoftCpu::translate(VcpuId id, Gva gva, Access access) {
  const State& s = state_of(id);
  const WalkResult result = walk(memory_, s, gva.v, {.access = access, .user = s.cpl() == 3});
  if (!result.ok) return std::nullopt;
  return Gpa{result.gpa};
}

}  // namespace xensim::x86
