// See domain_services.h.
#include "sim/guest/domain_services.h"

#include <fmt/format.h>

namespace xensim::sim {

namespace {

// The nodes that the toolstack makes for a new guest without devices; the guest may read them all, and write some.
pv::XsStore new_tree(DomId dom, const GuestConfig& config) {
  pv::XsStore tree;
  const std::string home = fmt::format("/local/domain/{}", dom.v);
  const auto set = [&](std::string_view path, const std::string& value, bool writable) {
    pv::XsStore::Node& node = tree.make(home + std::string(path), DomId{0});
    node.value = value;
    node.permissions = writable ? std::vector<pv::XsPermission>{{'n', dom}}
                                : std::vector<pv::XsPermission>{{'n', DomId{0}}, {'r', dom}};
  };
  const std::string kib = std::to_string(config.memory_bytes >> 10);
  set("", "", false);
  set("/name", config.name, false);
  set("/domid", std::to_string(dom.v), false);
  set("/cpu", "", false);
  for (uint32_t vcpu = 0; vcpu < config.vcpus; ++vcpu) {
    set(fmt::format("/cpu/{}", vcpu), "", false);
    set(fmt::format("/cpu/{}/availability", vcpu), "online", false);
  }
  set("/memory", "", false);
  set("/memory/static-max", kib, false);
  set("/memory/target", kib, false);
  set("/device", "", false);
  set("/control", "", false);
  set("/control/shutdown", "", true);
  for (const char* feature : {"poweroff", "reboot", "suspend", "halt"}) {
    set(fmt::format("/control/feature-{}", feature), "", true);
  }
  set("/control/sysrq", "", true);
  set("/data", "", true);
  return tree;
}

}  // namespace

DomainServices::DomainServices(DomId dom, const GuestConfig& config, std::span<std::byte> store_page,
                               std::span<std::byte> console_page, std::function<void(std::string_view)> output)
    : tree_(new_tree(dom, config)), server_(store_page, tree_, dom), console_(console_page, std::move(output)) {}

void DomainServices::fields(StateArchive& ar) {
  tree_.fields(ar);
  server_.fields(ar);
  console_.fields(ar);
}

}  // namespace xensim::sim
