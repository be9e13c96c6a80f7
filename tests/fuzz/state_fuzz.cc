// A saved state as anybody might have changed it, its checksum put right: it is refused, or it is one that can be, and
// hypercalls on it do no harm. The fuzzer's bytes are changes of a good state, so that no seed goes stale: three bytes
// each, where (two) and what (one, exclusive or); an odd end cuts the state there.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "models/base/check.h"
#include "models/base/prng.h"
#include "models/xen/state/save.h"
#include "tests/unit/models/xen/state/saved_machine.h"

namespace xensim {
namespace {

void call_around(SavedMachine& machine) {
  Prng prng(1);
  for (unsigned i = 0; i < 64; ++i) {
    const DomId dom = prng.below(2) == 0 ? SavedMachine::kA : SavedMachine::kB;
    const VcpuRef vcpu{dom, VcpuId{0}};
    std::array<uint64_t, 4> words{prng.below(16), prng.below(16), prng.below(8), 0};
    machine.poke(dom, SavedMachine::kArgument, words);
    if (machine.core.api->is_runnable(vcpu)) {
      machine.call(dom, __HYPERVISOR_event_channel_op, {prng.below(14), SavedMachine::kArgument, 0, 0, 0, 0});
    } else {
      machine.core.api->wake(vcpu, true);
    }
    machine.core.api->before_run(vcpu);
  }
}

}  // namespace
}  // namespace xensim

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xensim;
  SavedMachine machine;
  std::vector<std::byte> bytes = machine.core.state->save(machine.timers());
  size_t at = 0;
  for (; at + 3 <= size; at += 3) {
    bytes[(data[at] | size_t{data[at + 1]} << 8) % bytes.size()] ^= static_cast<std::byte>(data[at + 2]);
  }
  if (at < size) bytes.resize(data[at] * bytes.size() / 256);
  xen::seal_state(bytes);
  if (!machine.core.state->restore(bytes, machine.platform.now())) return 0;
  if (!machine.core.inspector->broken_invariants().empty()) std::abort();
  // The fuzzer's state may have other domains than ours.
  for (const DomId dom : {SavedMachine::kA, SavedMachine::kB}) {
    if (machine.core.inspector->describe_vcpu({dom, VcpuId{0}}).ends_with("does not exist")) return 0;
  }
  call_around(machine);
  return 0;
}
