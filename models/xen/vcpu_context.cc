#include "models/xen/vcpu_context.h"

#include <initializer_list>

namespace xensim::xen {
namespace {

constexpr uint64_t kCr0Pg = uint64_t{1} << 31;
constexpr uint64_t kCr4Pae = 1 << 5;
constexpr uint64_t kEferSce = 1 << 0;
constexpr uint64_t kEferLme = 1 << 8;
constexpr uint64_t kEferLma = 1 << 10;
constexpr uint64_t kEferNx = 1 << 11;
constexpr uint64_t kEferKnown = kEferSce | kEferLme | kEferLma | kEferNx;
// CR4: VME to UMIP, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP, PKE.
constexpr uint64_t kCr4Known = 0x770fff;

// Segment attributes (hvm_vcpu.h): bits 3:0 type, 4 S, 6:5 DPL, 7 P, 11 G.
class Attributes {
 public:
  explicit Attributes(uint16_t raw) : raw_(raw) {}
  bool null() const { return raw_ == 0; }
  bool reserved_bits() const { return (raw_ >> 12) != 0; }
  bool executable() const { return (raw_ & 8) != 0; }
  bool read_write() const { return (raw_ & 2) != 0; }  // code: readable, data: writable
  bool user_segment() const { return (raw_ & 0x10) != 0; }
  unsigned dpl() const { return (raw_ >> 5) & 3; }
  bool present() const { return (raw_ & 0x80) != 0; }
  bool granular() const { return (raw_ & 0x800) != 0; }
  unsigned type() const { return raw_ & 0xf; }

 private:
  uint16_t raw_;
};

bool is_usable(Attributes segment) { return !segment.reserved_bits() && segment.user_segment() && segment.present(); }

bool is_code(Attributes segment) { return is_usable(segment) && segment.executable(); }
bool is_stack(Attributes segment) { return is_usable(segment) && !segment.executable() && segment.read_write(); }
// DS and ES may be null.
bool is_data(Attributes segment) {
  return segment.null() || (is_usable(segment) && (!segment.executable() || segment.read_write()));
}
bool is_task(Attributes segment) {
  // A 32-bit TSS; its busy bit is set for the guest.
  return !segment.null() && !segment.reserved_bits() && !segment.user_segment() && segment.present() &&
         (segment.type() | 2) == 0xb;
}

bool is_valid_32(const vcpu_hvm_x86_32& regs) {
  if (regs.pad1 != 0 || regs.pad2[0] != 0 || regs.pad2[1] != 0 || regs.pad2[2] != 0) return false;
  const Attributes cs(regs.cs_ar), ds(regs.ds_ar), ss(regs.ss_ar), es(regs.es_ar), tr(regs.tr_ar);
  if (!is_code(cs) || !is_data(ds) || !is_stack(ss) || !is_data(es) || !is_task(tr)) return false;
  const uint64_t limit = cs.granular() ? (uint64_t{regs.cs_limit} << 12) | 0xfff : regs.cs_limit;
  if (regs.eip > (limit & 0xffffffff)) return false;
  if (ss.dpl() != cs.dpl()) return false;
  for (const Attributes data : {ds, es}) {
    if (data.present() && data.dpl() > cs.dpl()) return false;
  }
  return (regs.efer & kEferLma) == 0 || (regs.efer & kEferLme) != 0;
}

bool is_canonical(uint64_t address) {
  return static_cast<int64_t>(address << 16) >> 16 == static_cast<int64_t>(address);
}

bool is_valid_64(const vcpu_hvm_x86_64& regs) {
  return is_canonical(regs.rip) && (regs.cr0 & kCr0Pg) != 0 && (regs.cr4 & kCr4Pae) != 0 && (regs.efer & kEferLme) != 0;
}

bool is_valid_control(uint64_t cr4, uint64_t efer) { return (cr4 & ~kCr4Known) == 0 && (efer & ~kEferKnown) == 0; }

}  // namespace

bool is_valid_start(const vcpu_hvm_context& context) {
  if (context.pad != 0) return false;
  switch (context.mode) {
    case VCPU_HVM_MODE_32B: {
      const vcpu_hvm_x86_32& regs = context.cpu_regs.x86_32;
      return is_valid_32(regs) && is_valid_control(regs.cr4, regs.efer);
    }
    case VCPU_HVM_MODE_64B: {
      const vcpu_hvm_x86_64& regs = context.cpu_regs.x86_64;
      return is_valid_64(regs) && is_valid_control(regs.cr4, regs.efer);
    }
    default: return false;
  }
}

}  // namespace xensim::xen
