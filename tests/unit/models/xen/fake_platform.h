// FakePlatform: a PlainPlatform that remembers what the core asked of the world (kicks, timers, GSIs, shutdowns), and
// may run a callback at a named scheduling point, as another actor would.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/xen/testing/plain_platform.h"

namespace xensim {

class FakePlatform : public PlainPlatform {
 public:
  static constexpr uint64_t kRam = 1 << 20;
  FakePlatform() : PlainPlatform(kRam) {}

  // Called before an access at `site`; once, for the `skip`th access from now.
  void at_site(xen::Site site, unsigned skip, std::function<void()> action) {
    site_ = site;
    skip_ = skip;
    action_ = std::move(action);
  }

  uint64_t load(xen::Site site, Maddr at, unsigned bytes) override {
    point(site);
    return PlainPlatform::load(site, at, bytes);
  }
  uint64_t rmw(xen::Site site, Maddr at, unsigned bytes, xen::Rmw op, uint64_t operand, uint64_t expected) override {
    point(site);
    return PlainPlatform::rmw(site, at, bytes, op, operand, expected);
  }
  void shared_access(xen::Site site, DomId, uint32_t, xen::SharedOp) override { point(site); }

  // Guest addresses in RAM are mapped one to one, others not at all.
  Maybe<Gpa> translate(VcpuRef, Gva gva, Access) override {
    if (gva.v >= kRam) return std::nullopt;
    return Gpa{gva.v};
  }
  void set_mapping(DomId dom, Gfn gfn, Maybe<Mfn> frame, bool) override {
    if (frame) {
      mappings[{dom, gfn}] = *frame;
    } else {
      mappings.erase({dom, gfn});
    }
  }
  void arm_timer(xen::TimerId id, VirtualNs deadline) override { timers[id] = deadline; }
  void cancel_timer(xen::TimerId id) override { timers.erase(id); }
  void kick(VcpuRef vcpu) override { kicks.push_back(vcpu); }
  void set_runnable(VcpuRef vcpu, bool is_runnable) override { runnable[vcpu] = is_runnable; }
  void yield(VcpuRef vcpu) override { yields.push_back(vcpu); }
  void start_vcpu(VcpuRef vcpu, const xen::VcpuStart&) override { started.push_back(vcpu); }
  void inject_nmi(VcpuRef vcpu) override { nmis.push_back(vcpu); }
  void assert_lapic_vector(VcpuRef vcpu, uint8_t vector) override { lapic_vectors.push_back({vcpu, vector}); }
  bool lapic_enabled(VcpuRef) override { return lapic; }
  void outside_event(DomId dom, Port port) override { outside_events.push_back({dom, port}); }
  void set_gsi(DomId, uint32_t gsi, bool level) override { gsis[gsi] = level; }
  void host_event(DomId, Port port) override { host_events.push_back(port); }
  void release_domain(DomId dom) override { released.push_back(dom); }
  void shutdown(DomId, xen::ShutdownReason reason) override { shutdowns.push_back(reason); }
  void console_write(DomId, xen::ConsoleChannel, std::span<const std::byte> text) override {
    console.append(reinterpret_cast<const char*>(text.data()), text.size());
  }

  void write(xen::Site site, Maddr to, std::span<const std::byte> from) override {
    if (on_write) on_write(site);
    PlainPlatform::write(site, to, from);
  }
  void unlock(xen::LockState& lock) override {
    PlainPlatform::unlock(lock);
    if (const std::function<void()> action = std::exchange(on_unlock, nullptr)) action();
  }

  template <class T>
  T peek_as(uint64_t at) {
    T value;
    std::memcpy(&value, host(Maddr{at}), sizeof(value));
    return value;
  }
  template <class T>
  void poke(uint64_t at, const T& value) {
    std::memcpy(host(Maddr{at}), &value, sizeof(value));
  }

  std::map<std::pair<DomId, Gfn>, Mfn> mappings;
  std::map<xen::TimerId, VirtualNs> timers;
  std::vector<VcpuRef> kicks, yields, started, nmis;
  std::map<VcpuRef, bool> runnable;
  std::vector<std::pair<VcpuRef, uint8_t>> lapic_vectors;
  std::map<uint32_t, bool> gsis;
  std::vector<std::pair<DomId, Port>> outside_events;
  std::vector<xen::ShutdownReason> shutdowns;
  std::vector<Port> host_events;
  std::vector<DomId> released;
  std::string console;
  bool lapic = true;
  std::function<void(xen::Site)> on_write;  // before each bulk write
  std::function<void()> on_unlock;          // another actor, once, after a lock was given back

 private:
  void point(xen::Site site) {
    if (!action_ || site != site_ || skip_-- != 0) return;
    const std::function<void()> action = std::exchange(action_, nullptr);
    action();
  }

  std::function<void()> action_;
  xen::Site site_ = xen::Site::kCount;
  unsigned skip_ = 0;
};

}  // namespace xensim
