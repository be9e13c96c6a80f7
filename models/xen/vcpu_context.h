// The checks of struct vcpu_hvm_context, what VCPUOP_initialise is given (public hvm/hvm_vcpu.h).
#pragma once

#include "models/xen/abi/public.h"

namespace xensim::xen {

// May a vCPU start in this state?
bool is_valid_start(const vcpu_hvm_context& context);

}  // namespace xensim::xen
