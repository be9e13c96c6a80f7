// The fields of one guest's processors, devices and services. It is saved while none of its vCPUs runs or is inside the
// core.
#include "sim/guest/guest_domain.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kMostBytes = 1 << 24;

// Takes what somebody else's bytes were refused for as this archive's reason.
void take(StateArchive& ar, const Status& status) {
  if (!status) ar.fail(status.error().message);
}

}  // namespace

void GuestDomain::fields(StateArchive& ar) {
  std::vector<std::byte> processors, devices;
  if (!ar.loading()) {
    processors = cpu_.save_state();
    board_.save(devices);
  }
  ar("processors", processors, kMostBytes);
  if (ar.loading() && ar.ok()) take(ar, cpu_.restore_state(processors));
  ar("devices", devices, kMostBytes);
  if (ar.loading() && ar.ok()) {
    std::span<const std::byte> left(devices);
    take(ar, board_.restore(left));
    if (!left.empty()) ar.fail("there are more devices than the guest has");
    for (uint32_t v = 0; v < vcpus_.size() && ar.ok(); ++v) follow_apic(VcpuId{v});
  }
  if (viridian_) {
    std::vector<std::byte> viridian;
    if (!ar.loading()) viridian_->saved().save(viridian);
    ar("viridian", viridian, kMostBytes);
    std::span<const std::byte> left(viridian);
    if (ar.loading() && ar.ok()) take(ar, viridian_->saved().restore(left));
    if (ar.loading() && ar.ok() && !left.empty()) ar.fail("there are more vCPUs than the guest has");
  }
  if (services_) services_->fields(ar);
}

void GuestDomain::vcpu_fields(StateArchive& ar, VcpuId vcpu) {
  Vcpu& self = vcpus_.at(vcpu.v);
  ar("halted", self.halted);
}

}  // namespace xensim::sim
