// A Platform that hands every call on to another: the base of decorators that look at some of them.
#pragma once

#include "models/xen/api/platform.h"

namespace xensim {

// Borrows the inner Platform, which must outlive it.
class ForwardingPlatform : public xen::Platform {
 public:
  explicit ForwardingPlatform(xen::Platform& inner) : inner_(inner) {}

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override { return inner_.load(site, at, bytes); }
  void store(xen::Site site, Maddr at, unsigned bytes, uint64_t value) override {
    inner_.store(site, at, bytes, value);
  }
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override {
    return inner_.rmw(site, at, bytes, op, operand, expected);
  }
  void read(xen::Site site, Maddr from, std::span<std::byte> to) override { inner_.read(site, from, to); }
  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override { inner_.write(site, to, from); }
  void copy(xen::Site site, Maddr to, Maddr from, uint32_t bytes) override { inner_.copy(site, to, from, bytes); }
  uint64_t peek(Maddr at, unsigned bytes) override { return inner_.peek(at, bytes); }
  Maybe<Gpa> translate(VcpuRef vcpu, Gva gva, Access access) override { return inner_.translate(vcpu, gva, access); }
  bool holds(Maddr at, uint64_t bytes) override { return inner_.holds(at, bytes); }
  Mfn allocate_page(DomId owner) override { return inner_.allocate_page(owner); }
  void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool writable) override {
    inner_.set_mapping(dom, gfn, frame, writable);
  }
  VirtualNs now() override { return inner_.now(); }
  xen::ClockSample clock(DomId dom) override { return inner_.clock(dom); }
  std::pair<uint64_t, uint32_t> wallclock_base() override { return inner_.wallclock_base(); }
  void arm_timer(xen::TimerId id, VirtualNs deadline) override { inner_.arm_timer(id, deadline); }
  void cancel_timer(xen::TimerId id) override { inner_.cancel_timer(id); }
  void kick(VcpuRef vcpu) override { inner_.kick(vcpu); }
  void set_runnable(VcpuRef vcpu, bool runnable) override { inner_.set_runnable(vcpu, runnable); }
  void yield(VcpuRef vcpu) override { inner_.yield(vcpu); }
  void start_vcpu(VcpuRef vcpu, const xen::VcpuStart& start) override { inner_.start_vcpu(vcpu, start); }
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override { inner_.assert_lapic_vector(vcpu, vector); }
  bool lapic_enabled(VcpuRef vcpu) override { return inner_.lapic_enabled(vcpu); }
  void set_gsi(DomId dom, uint32_t gsi, bool level) override { inner_.set_gsi(dom, gsi, level); }
  void outside_event(DomId dom, Port port) override { inner_.outside_event(dom, port); }
  void host_event(DomId host, Port port) override { inner_.host_event(host, port); }
  void release_domain(DomId dom) override { inner_.release_domain(dom); }
  void shutdown(DomId dom, xen::ShutdownReason reason) override { inner_.shutdown(dom, reason); }
  void console_write(DomId dom, xen::ConsoleChannel channel, std::span<const std::byte> text) override {
    inner_.console_write(dom, channel, text);
  }
  void lock(xen::LockState& lock) override { inner_.lock(lock); }
  void unlock(xen::LockState& lock) override { inner_.unlock(lock); }
  void lock_shared(xen::LockState& lock) override { inner_.lock_shared(lock); }
  void unlock_shared(xen::LockState& lock) override { inner_.unlock_shared(lock); }
  void shared_access(xen::Site site, DomId dom, uint32_t index, xen::SharedOp op) override {
    inner_.shared_access(site, dom, index, op);
  }

 private:
  xen::Platform& inner_;
};

}  // namespace xensim
