// What the 32-bit layouts really are: the public headers themselves, compiled for 32 bits, row by row of structs.def.
// Not a part of the test program (which is 64-bit): the build takes this object's section .layout out into a file, and
// layout_test.cc compares.
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/hvm_vcpu.h>
#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

namespace {

// Types of each struct by its name, so that a field's row need not repeat it.
namespace layout {
#define XS_STRUCT(name, type, ...) using name = type;
#define XS_FIELD(name, member, shown, kind, direction)
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
}  // namespace layout

// For each struct its size and 0xffff, then for each field its offset and its size.
__attribute__((used, section(".layout"))) const uint16_t kLayout[] = {
#define XS_STRUCT(name, type, ...) sizeof(type), 0xffff,
#define XS_FIELD(name, member, shown, kind, direction) \
  offsetof(layout::name, member), sizeof(static_cast<layout::name*>(nullptr)->member),
#include "models/xen/abi/structs.def"
#undef XS_FIELD
#undef XS_STRUCT
};

}  // namespace
