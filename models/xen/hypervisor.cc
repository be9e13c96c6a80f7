#include "models/xen/hypervisor.h"

#include "models/xen/abi/public.h"

namespace xensim::xen {
namespace {

using Handler = int64_t (*)(HypercallContext&);
constexpr uint64_t kHypercalls = 64;

constexpr std::array<Handler, kHypercalls> make_handlers() {
  std::array<Handler, kHypercalls> handlers{};
#define XS_HYPERCALL(number, name, handler, registers) handlers[number] = handler;
#define XS_NO_HYPERCALL(number, name)
#define XS_SUBOP(call, number, name, argument)
#include "models/xen/abi/hypercalls.def"
#undef XS_HYPERCALL
#undef XS_NO_HYPERCALL
#undef XS_SUBOP
  return handlers;
}

constexpr std::array<Handler, kHypercalls> kHandlers = make_handlers();

}  // namespace

Domain* HypercallContext::domain_by_any_id(DomId id) const { return id.v == DOMID_SELF ? &domain : hv.find_domain(id); }

int64_t HypercallContext::absent_domain_error(DomId id) const {
  return id.v == 0 && !flavour().no_toolstack_domain ? -XEN_EPERM : -XEN_ESRCH;
}

int64_t dispatch_hypercall(HypercallContext& context) {
  const uint64_t number = context.regs.nr;
  if (number >= kHypercalls || kHandlers[number] == nullptr) return -XEN_ENOSYS;
  return kHandlers[number](context);
}

}  // namespace xensim::xen
