#include "traces/recording_platform.h"

namespace xensim::traces {

uint64_t RecordingPlatform::load(xen::Site site, Maddr at, unsigned bytes) {
  const uint64_t value = inner_.load(site, at, bytes);
  events_.write(Load{site, at, static_cast<uint8_t>(bytes), value});
  return value;
}

void RecordingPlatform::store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) {
  inner_.store(site, at, bytes, value);
  events_.write(Store{site, at, static_cast<uint8_t>(bytes), value});
}

uint64_t RecordingPlatform::rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand,
                                uint64_t expected) {
  const uint64_t old = inner_.rmw(site, at, bytes, op, operand, expected);
  events_.write(Rmw{site, at, static_cast<uint8_t>(bytes), op, operand, expected, old});
  return old;
}

void RecordingPlatform::read(xen::Site site, Maddr from, std::span<std::byte> to) {
  inner_.read(site, from, to);
  events_.write(Read{site, from, to});
}

void RecordingPlatform::write(xen::Site site, Maddr to, std::span<const std::byte> from) {
  inner_.write(site, to, from);
  events_.write(Write{site, to, from});
}

void RecordingPlatform::copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) {
  inner_.copy(site, to, from, bytes);
  events_.write(Copy{site, to, from, bytes});
}

Maybe<Gpa> RecordingPlatform::translate(VcpuRef vcpu, Gva gva, Access access) {
  const Maybe<Gpa> gpa = inner_.translate(vcpu, gva, access);
  events_.write(Translate{vcpu, gva, access, gpa.has_value(), gpa.value_or(Gpa{})});
  return gpa;
}

Mfn RecordingPlatform::allocate_page(DomId owner) {
  const Mfn frame = inner_.allocate_page(owner);
  events_.write(AllocatePage{owner, frame});
  return frame;
}

void RecordingPlatform::set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) {
  inner_.set_mapping(dom, gfn, frame, writable);
  events_.write(SetMapping{dom, gfn, frame.has_value(), frame.value_or(Mfn{}), writable});
}

VirtualNs RecordingPlatform::now() {
  const VirtualNs time = inner_.now();
  events_.write(Now{time});
  return time;
}

xen::ClockSample RecordingPlatform::clock(DomId dom) {
  const xen::ClockSample sample = inner_.clock(dom);
  events_.write(Clock{dom, sample.tsc, sample.system_time, sample.tsc_to_system_mul, sample.tsc_shift});
  return sample;
}

std::pair<uint64_t, uint32_t> RecordingPlatform::wallclock_base() {
  const std::pair<uint64_t, uint32_t> base = inner_.wallclock_base();
  events_.write(WallclockBase{base.first, base.second});
  return base;
}

void RecordingPlatform::arm_timer(xen::TimerId id, VirtualNs deadline) {
  inner_.arm_timer(id, deadline);
  events_.write(ArmTimer{id.kind, id.vcpu, deadline});
}

void RecordingPlatform::cancel_timer(xen::TimerId id) {
  inner_.cancel_timer(id);
  events_.write(CancelTimer{id.kind, id.vcpu});
}

void RecordingPlatform::kick(VcpuRef vcpu) {
  inner_.kick(vcpu);
  events_.write(Kick{vcpu});
}

void RecordingPlatform::set_runnable(VcpuRef vcpu, bool runnable) {
  inner_.set_runnable(vcpu, runnable);
  events_.write(SetRunnable{vcpu, runnable});
}

void RecordingPlatform::yield(VcpuRef vcpu) {
  inner_.yield(vcpu);
  events_.write(Yield{vcpu});
}

void RecordingPlatform::start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) {
  inner_.start_vcpu(vcpu, start);
  events_.write(StartVcpu{vcpu, start.context});
}

void RecordingPlatform::inject_nmi(VcpuRef vcpu) {
  inner_.inject_nmi(vcpu);
  events_.write(InjectNmi{vcpu});
}

void RecordingPlatform::assert_lapic_vector(VcpuRef vcpu, uint8_t vector) {
  inner_.assert_lapic_vector(vcpu, vector);
  events_.write(AssertLapicVector{vcpu, vector});
}

bool RecordingPlatform::lapic_enabled(VcpuRef vcpu) {
  const bool enabled = inner_.lapic_enabled(vcpu);
  events_.write(AskLapicEnabled{vcpu, enabled});
  return enabled;
}

void RecordingPlatform::set_gsi(DomId dom, uint32_t gsi, bool level) {
  inner_.set_gsi(dom, gsi, level);
  events_.write(SetGsi{dom, gsi, level});
}

void RecordingPlatform::host_event(DomId host, Port port) {
  inner_.host_event(host, port);
  events_.write(HostEvent{host, port});
}

void RecordingPlatform::release_domain(DomId dom) {
  inner_.release_domain(dom);
  events_.write(ReleaseDomain{dom});
}

void RecordingPlatform::outside_event(DomId dom, Port port) {
  inner_.outside_event(dom, port);
  events_.write(OutsideEvent{dom, port});
}

void RecordingPlatform::shutdown(DomId dom, xen::ShutdownReason reason) {
  inner_.shutdown(dom, reason);
  events_.write(Shutdown{dom, reason});
}

void RecordingPlatform::console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) {
  inner_.console_write(dom, channel, text);
  events_.write(ConsoleWrite{dom, channel, text});
}

void RecordingPlatform::lock(xen::LockState& lock) {
  inner_.lock(lock);
  events_.write(Lock{lock.site, lock.dom, lock.index});
}

void RecordingPlatform::unlock(xen::LockState& lock) {
  events_.write(Unlock{lock.site, lock.dom, lock.index});
  inner_.unlock(lock);
}

void RecordingPlatform::lock_shared(xen::LockState& lock) {
  inner_.lock_shared(lock);
  events_.write(LockShared{lock.site, lock.dom, lock.index});
}

void RecordingPlatform::unlock_shared(xen::LockState& lock) {
  events_.write(UnlockShared{lock.site, lock.dom, lock.index});
  inner_.unlock_shared(lock);
}

void RecordingPlatform::shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) {
  inner_.shared_access(site, dom, index, op);
  events_.write(SharedAccess{site, dom, index, op});
}

}  // namespace xensim::traces
