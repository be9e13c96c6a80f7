// See call_printer.h.
#include "sim/cli/call_printer.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"
#include "models/xen/abi/decode.h"
#include "traces/describe.h"

namespace xensim::sim {

void CallPrinter::consume(traces::ByteView stream, uint32_t) {
  decoder_.feed(stream);
  traces::Event event;
  while (!decoder_.exhausted()) {
    XS_CHECK_MSG(decoder_.next(event), decoder_.error());
    see(event);
  }
}

void CallPrinter::see(const traces::Event& event) {
  if (const auto* begin = std::get_if<traces::HypercallBegin>(&event.body)) {
    OpenCall call;
    call.vcpu = begin->vcpu;
    call.since = event.time;
    call.regs.mode64 = begin->mode64;
    call.regs.cpl = begin->cpl;
    call.regs.nr = begin->nr;
    call.regs.args = begin->args;
    open_[event.actor] = std::move(call);
    return;
  }
  const auto found = open_.find(event.actor);
  if (found == open_.end()) return;
  OpenCall& call = found->second;
  if (const auto* end = std::get_if<traces::HypercallEnd>(&event.body)) {
    print_(fmt::format("{} {} {}", traces::describe_vcpu(call.vcpu), traces::describe_time(call.since),
                       xen::abi::describe_hypercall(call.regs, call.argument, end->result, call.after)));
    open_.erase(found);
    return;
  }
  see_effect(call, event);
}

void CallPrinter::see_effect(OpenCall& call, const traces::Event& event) {
  if (const auto* read = std::get_if<traces::Read>(&event.body)) {
    if (read->site != xen::Site::kHypercallArgs || !call.argument.empty())
      return;  // of several, the first element is shown
    call.argument_at = read->from;
    call.argument.assign(read->data.begin(), read->data.end());
    call.after = call.argument;
  } else if (const auto* write = std::get_if<traces::Write>(&event.body)) {
    const uint64_t offset = write->to.v - call.argument_at.v;
    if (write->site != xen::Site::kHypercallResult || offset >= call.after.size()) return;
    if (write->data.size() > call.after.size() - offset) return;
    std::copy(write->data.begin(), write->data.end(), call.after.begin() + static_cast<std::ptrdiff_t>(offset));
  }
}

}  // namespace xensim::sim
