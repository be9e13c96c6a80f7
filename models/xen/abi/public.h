// Xen's public headers (Debian: libxen-dev), wrapped for C++: structs of the 64-bit ABI and every constant.
//
// The structs keep their global names; the 32-bit layouts are in compat.h. Handles (XEN_GUEST_HANDLE) are guest
// addresses here: read them with handle_value, never through the pointer.
#pragma once

#include <cstdint>

// clang-format off
#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#elif __XEN_INTERFACE_VERSION__ < 0x00040e00
#error "a Xen header was included before models/xen/abi/public.h, with the layouts of an older interface"
#endif
#include <xen/xen.h>
// clang-format on
#include <xen/arch-x86/cpuid.h>
#include <xen/errno.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/e820.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

namespace xensim::xen {

// EVTCHNOP_reset_cont: how the hypervisor goes on with a reset that it cut. The header hides it, but a guest may call
// it.
inline constexpr uint32_t kEvtchnopResetCont = 14;

// The guest address that a 64-bit handle holds.
template <class Handle>
requires requires(Handle handle) { handle.p == nullptr; }
uint64_t handle_value(Handle handle) { return reinterpret_cast<uintptr_t>(handle.p); }

}  // namespace xensim::xen
