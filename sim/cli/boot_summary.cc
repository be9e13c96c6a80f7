// See boot_summary.h.
#include "sim/cli/boot_summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/xen/abi/table.h"

namespace xensim::sim {

namespace {

// "a 5, b 3": the most frequent first.
template <class Key, class Name>
std::string by_count(const std::map<Key, uint64_t>& counts, Name&& name) {
  std::vector<std::pair<Key, uint64_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (const auto& [key, count] : sorted) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(key), count);
  return text.empty() ? "none" : text;
}

std::string hypercall_name(uint64_t number) {
  const xen::abi::HypercallInfo* info = xen::abi::find_hypercall(number);
  return info != nullptr ? std::string(info->name) : std::to_string(number);
}

}  // namespace

void BootSummary::consume(traces::ByteView stream, uint32_t) {
  decoder_.feed(stream);
  traces::Event event;
  while (!decoder_.exhausted()) {
    XS_CHECK_MSG(decoder_.next(event), decoder_.error());
    see(event);
  }
}

void BootSummary::see(const traces::Event& event) {
  if (const auto* call = std::get_if<traces::HypercallBegin>(&event.body)) ++hypercalls_[call->nr];
  if (const auto* slice = std::get_if<traces::Slice>(&event.body))
    instructions_[slice->vcpu.vcpu.v] += slice->instructions;
  if (const auto* memory = std::get_if<traces::MemoryHash>(&event.body)) memory_hash_ = memory->hash;
  if (std::holds_alternative<traces::PortIo>(event.body)) ++exits_["port"];
  if (std::holds_alternative<traces::Mmio>(event.body)) ++exits_["mmio"];
  if (std::holds_alternative<traces::Msr>(event.body)) ++exits_["msr"];
  if (std::holds_alternative<traces::CpuidBegin>(event.body)) ++exits_["xen cpuid"];
  if (std::holds_alternative<traces::HaltBegin>(event.body)) ++exits_["halt"];
  if (std::holds_alternative<traces::TimerExpiredBegin>(event.body)) ++exits_["timer"];
  if (std::holds_alternative<traces::Interrupt>(event.body)) ++upcalls_;
  if (std::holds_alternative<traces::ExternalEventBegin>(event.body)) ++external_events_;
}

std::vector<std::string> BootSummary::lines(uint64_t virtual_ns, uint64_t ns_per_instruction) const {
  uint64_t busy_ns = 0;
  std::string vcpus;
  for (const auto& [vcpu, instructions] : instructions_) {
    busy_ns += instructions * ns_per_instruction;
    vcpus += fmt::format(", vCPU {} {:.1f} %", vcpu,
                         100.0 * static_cast<double>(instructions * ns_per_instruction) /
                             static_cast<double>(std::max<uint64_t>(virtual_ns, 1)));
  }
  const double idle = 100.0 * static_cast<double>(virtual_ns - std::min(busy_ns, virtual_ns)) /
                      static_cast<double>(std::max<uint64_t>(virtual_ns, 1));
  std::vector<std::string> lines{"hypercalls: " + by_count(hypercalls_, hypercall_name),
                                 "exits: " + by_count(exits_, [](const std::string& kind) { return kind; }),
                                 fmt::format("interrupts: {}, events from outside: {}", upcalls_, external_events_)};
  if (memory_hash_) lines.push_back(fmt::format("memory hash: {:016x}", *memory_hash_));
  lines.push_back(fmt::format("virtual time: idle {:.1f} %{}", idle, vcpus));
  return lines;
}

}  // namespace xensim::sim
