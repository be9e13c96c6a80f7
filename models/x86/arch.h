// Numbers of the x86 architecture that the software CPU's parts share (SDM vol. 3, chapters 2 to 6).
#pragma once

#include <cstdint>

namespace xensim::x86 {

namespace cr0 {
inline constexpr uint64_t kPe = 1, kMp = 2, kEm = 4, kTs = 8, kEt = 16, kNe = 32, kWp = 1 << 16, kAm = 1 << 18;
inline constexpr uint64_t kNw = 1 << 29, kCd = 1 << 30, kPg = uint64_t{1} << 31;
}  // namespace cr0

namespace cr4 {
inline constexpr uint64_t kVme = 1 << 0, kPvi = 1 << 1, kTsd = 1 << 2, kDe = 1 << 3, kPse = 1 << 4, kPae = 1 << 5,
                          kMce = 1 << 6, kPge = 1 << 7, kPce = 1 << 8;
inline constexpr uint64_t kOsfxsr = 1 << 9, kOsxmmexcpt = 1 << 10, kUmip = 1 << 11, kLa57 = 1 << 12, kVmxe = 1 << 13,
                          kFsgsbase = 1 << 16, kPcide = 1 << 17, kOsxsave = 1 << 18, kSmep = 1 << 20, kSmap = 1 << 21,
                          kPke = 1 << 22;
}  // namespace cr4

namespace efer {
inline constexpr uint64_t kSce = 1, kLme = 1 << 8, kLma = 1 << 10, kNxe = 1 << 11;
}

namespace flag {
inline constexpr uint64_t kCf = 1, kFixed = 2, kTf = 1 << 8, kIf = 1 << 9, kDf = 1 << 10, kIopl = 3 << 12,
                          kNt = 1 << 14;
inline constexpr uint64_t kRf = 1 << 16, kVm = 1 << 17, kAc = 1 << 18;
inline constexpr uint64_t kArithmetic = 0x8d5;  // OF, SF, ZF, AF, PF, CF
}  // namespace flag

// Exception vectors.
enum Vector : uint8_t {
  kDivideError = 0,
  kDebug = 1,
  kNmi = 2,
  kBreakpoint = 3,
  kOverflow = 4,
  kInvalidOpcode = 6,
  kDeviceNotAvailable = 7,
  kDoubleFault = 8,
  kInvalidTss = 10,
  kNotPresent = 11,
  kStackFault = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kAlignmentCheck = 17,
};

// Attribute bits of SegmentRegister (models/base/cpu.h).
namespace seg {
inline constexpr uint16_t kTypeMask = 0xf, kAccessed = 1, kWritable = 2, kExpandDown = 4, kConforming = 4, kCode = 8;
inline constexpr uint16_t kSystem = 0x10;  // set: code or data
inline constexpr uint16_t kPresent = 0x80, kLong = 0x200, kDb = 0x400, kGranular = 0x800;
constexpr unsigned dpl(uint16_t attributes) { return attributes >> 5 & 3; }
}  // namespace seg

// Bits of a #PF error code.
namespace pf {
inline constexpr uint32_t kPresent = 1, kWrite = 2, kUser = 4, kReserved = 8, kFetch = 16;
}

constexpr bool is_canonical(uint64_t address) {
  const auto top = static_cast<int64_t>(address) >> 47;
  return top == 0 || top == -1;
}

}  // namespace xensim::x86
