#include "traces/recording_core.h"

#include "traces/little_endian.h"

namespace xensim::traces {

namespace {

constexpr size_t kPackedRange = 24;

}  // namespace

std::vector<std::byte> pack_ram(const std::vector<xen::RamRange>& ram) {
  std::vector<std::byte> packed(ram.size() * kPackedRange);
  std::byte* at = packed.data();
  for (const xen::RamRange& range : ram) {
    put_le64(at, range.start.v);
    put_le64(at + 8, range.bytes);
    put_le64(at + 16, range.base.v);
    at += kPackedRange;
  }
  return packed;
}

std::optional<std::vector<xen::RamRange>> unpack_ram(ByteView packed) {
  if (packed.size() % kPackedRange != 0) return std::nullopt;
  std::vector<xen::RamRange> ram(packed.size() / kPackedRange);
  const std::byte* at = packed.data();
  for (xen::RamRange& range : ram) {
    range = {Gpa{get_le64(at)}, get_le64(at + 8), Maddr{get_le64(at + 16)}};
    at += kPackedRange;
  }
  return ram;
}

Status RecordingCore::create_domain(const xen::DomainConfig& config) {
  const std::vector<std::byte> ram = pack_ram(config.ram);
  if (ram.size() > kMaxBulk) return input_error("a domain has more RAM ranges than a trace can hold");
  events_.write(CreateDomainBegin{config.id, config.vcpus, config.max_event_channels, config.reserved_ports,
                                  config.max_grant_frames, config.max_maptrack_frames, config.privileged, ram});
  Status status = inner_.create_domain(config);
  events_.write(CreateDomainEnd{status.has_value()});
  return status;
}

void RecordingCore::set_hvm_param(DomId dom, uint32_t index, uint64_t value) {
  events_.write(SetHvmParamBegin{dom, index, value});
  inner_.set_hvm_param(dom, index, value);
  events_.write(SetHvmParamEnd{});
}

uint64_t RecordingCore::hypercall(VcpuRef vcpu, const xen::HypercallRegs& regs) {
  events_.write(HypercallBegin{vcpu, regs.mode64, regs.cpl, regs.interrupts_enabled, regs.nr, regs.args});
  const uint64_t result = inner_.hypercall(vcpu, regs);
  events_.write(HypercallEnd{result});
  return result;
}

bool RecordingCore::write_msr(VcpuRef vcpu, uint32_t msr, uint64_t value, bool mode64) {
  events_.write(WriteMsrBegin{vcpu, msr, value, mode64});
  const bool ok = inner_.write_msr(vcpu, msr, value, mode64);
  events_.write(WriteMsrEnd{ok});
  return ok;
}

std::optional<uint64_t> RecordingCore::read_msr(VcpuRef vcpu, uint32_t msr) {
  events_.write(ReadMsrBegin{vcpu, msr});
  const std::optional<uint64_t> value = inner_.read_msr(vcpu, msr);
  events_.write(ReadMsrEnd{value.has_value(), value.value_or(0)});
  return value;
}

std::optional<xen::XenCpuidResult> RecordingCore::cpuid(VcpuRef vcpu, uint32_t leaf, uint32_t subleaf) {
  events_.write(CpuidBegin{vcpu, leaf, subleaf});
  const std::optional<xen::XenCpuidResult> result = inner_.cpuid(vcpu, leaf, subleaf);
  const xen::XenCpuidResult regs = result.value_or(xen::XenCpuidResult{});
  events_.write(CpuidEnd{result.has_value(), regs.eax, regs.ebx, regs.ecx, regs.edx});
  return result;
}

void RecordingCore::before_halt(VcpuRef vcpu) {
  events_.write(BeforeHaltBegin{vcpu});
  inner_.before_halt(vcpu);
  events_.write(BeforeHaltEnd{});
}

void RecordingCore::halt(VcpuRef vcpu, bool interrupts_enabled) {
  events_.write(HaltBegin{vcpu, interrupts_enabled});
  inner_.halt(vcpu, interrupts_enabled);
  events_.write(HaltEnd{});
}

void RecordingCore::wake(VcpuRef vcpu, bool bring_up) {
  events_.write(WakeBegin{vcpu, bring_up});
  inner_.wake(vcpu, bring_up);
  events_.write(WakeEnd{});
}

bool RecordingCore::is_runnable(VcpuRef vcpu) {
  events_.write(IsRunnableBegin{vcpu});
  const bool runnable = inner_.is_runnable(vcpu);
  events_.write(IsRunnableEnd{runnable});
  return runnable;
}

std::optional<xen::PendingUpcall> RecordingCore::pending_upcall(VcpuRef vcpu) {
  events_.write(PendingUpcallBegin{vcpu});
  const std::optional<xen::PendingUpcall> upcall = inner_.pending_upcall(vcpu);
  events_.write(PendingUpcallEnd{upcall.has_value(), upcall ? upcall->vector : uint8_t{0}});
  return upcall;
}

void RecordingCore::lapic_enabled(VcpuRef vcpu) {
  events_.write(LapicEnabledBegin{vcpu});
  inner_.lapic_enabled(vcpu);
  events_.write(LapicEnabledEnd{});
}

void RecordingCore::before_run(VcpuRef vcpu) {
  events_.write(BeforeRunBegin{vcpu});
  inner_.before_run(vcpu);
  events_.write(BeforeRunEnd{});
}

void RecordingCore::preempted(VcpuRef vcpu) {
  events_.write(PreemptedBegin{vcpu});
  inner_.preempted(vcpu);
  events_.write(PreemptedEnd{});
}

void RecordingCore::timer_expired(xen::TimerId id) {
  events_.write(TimerExpiredBegin{id.kind, id.vcpu});
  inner_.timer_expired(id);
  events_.write(TimerExpiredEnd{});
}

int RecordingCore::external_event(DomId dom, Port port) {
  events_.write(ExternalEventBegin{dom, port});
  const int result = inner_.external_event(dom, port);
  events_.write(ExternalEventEnd{result});
  return result;
}

xen::HostResult RecordingCore::host_op(const xen::HostOp& op) {
  events_.write(HostOpBegin{op.kind, op.host, op.guest, op.number, op.offset, op.readonly,
                            static_cast<uint32_t>(op.buffer.size()), op.data});
  const xen::HostResult result = inner_.host_op(op);
  events_.write(HostOpEnd{result.status, result.number, result.at.v});
  return result;
}

int RecordingCore::soft_reset(DomId dom) {
  events_.write(SoftResetBegin{dom});
  const int result = inner_.soft_reset(dom);
  events_.write(SoftResetEnd{result});
  return result;
}

}  // namespace xensim::traces
