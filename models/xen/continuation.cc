#include "models/xen/continuation.h"

#include <algorithm>

#include "models/xen/upcall.h"

namespace xensim::xen {

bool should_preempt(HypercallContext& context) {
  if (context.flavour().few_hypercalls || !context.regs.interrupts_enabled) return false;
  return has_vector_callback(context.domain) && pending_upcall(context, context.vcpu).has_value();
}

int64_t continue_later(HypercallContext& context, uint64_t number, std::initializer_list<uint64_t> args) {
  HypercallRegs& later = context.continuation.emplace(context.regs);
  later.nr = number;
  std::copy(args.begin(), args.end(), later.args.begin());
  return static_cast<int64_t>(number);
}

}  // namespace xensim::xen
