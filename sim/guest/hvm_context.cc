// See hvm_context.h.
#include "sim/guest/hvm_context.h"

#include <xen/xen.h>
// xen.h comes first: it has the types that the next one needs.
#include <xen/hvm/hvm_vcpu.h>

#include <cstring>

#include "models/base/check.h"

namespace xensim::sim {

namespace {

SegmentRegister segment(uint32_t base, uint32_t limit, uint32_t attributes) {
  return {0, base, limit, static_cast<uint16_t>(attributes)};
}

CpuRegs regs_32(const vcpu_hvm_x86_32& from) {
  CpuRegs regs;
  regs.gpr[kRax] = from.eax;
  regs.gpr[kRcx] = from.ecx;
  regs.gpr[kRdx] = from.edx;
  regs.gpr[kRbx] = from.ebx;
  regs.gpr[kRsp] = from.esp;
  regs.gpr[kRbp] = from.ebp;
  regs.gpr[kRsi] = from.esi;
  regs.gpr[kRdi] = from.edi;
  regs.rip = from.eip;
  regs.rflags = from.eflags | 2;
  regs.cr0 = from.cr0;
  regs.cr3 = from.cr3;
  regs.cr4 = from.cr4;
  regs.efer = from.efer;
  regs.seg[kCs] = segment(from.cs_base, from.cs_limit, from.cs_ar);
  regs.seg[kSs] = segment(from.ss_base, from.ss_limit, from.ss_ar);
  regs.seg[kDs] = segment(from.ds_base, from.ds_limit, from.ds_ar);
  regs.seg[kEs] = segment(from.es_base, from.es_limit, from.es_ar);
  regs.seg[kTr] = segment(from.tr_base, from.tr_limit, from.tr_ar);
  return regs;
}

// Flat segments, as Xen gives them to a vCPU that starts in long mode.
CpuRegs regs_64(const vcpu_hvm_x86_64& from) {
  CpuRegs regs;
  regs.gpr = {from.rax, from.rcx, from.rdx, from.rbx, from.rsp, from.rbp, from.rsi, from.rdi};
  regs.rip = from.rip;
  regs.rflags = from.rflags | 2;
  regs.cr0 = from.cr0;
  regs.cr3 = from.cr3;
  regs.cr4 = from.cr4;
  regs.efer = from.efer;
  regs.seg[kCs] = segment(0, ~0u, 0xa9b);
  for (const Seg data : {kSs, kDs, kEs}) regs.seg[data] = segment(0, ~0u, 0xc93);
  regs.seg[kTr] = segment(0, 0x67, 0x8b);
  return regs;
}

}  // namespace

CpuRegs regs_of_hvm_context(std::span<const std::byte> context) {
  vcpu_hvm_context_t from{};
  XS_CHECK(context.size() >= sizeof from);
  std::memcpy(&from, context.data(), sizeof from);
  return from.mode == VCPU_HVM_MODE_64B ? regs_64(from.cpu_regs.x86_64) : regs_32(from.cpu_regs.x86_32);
}

}  // namespace xensim::sim
