// Calls through the hypercall page (TLFS 3.7, 9, 11.5). Xen serves all of them whatever groups the domain has: a group
// only recommends them to the guest.
#include <array>
#include <bit>

#include "models/viridian/viridian.h"

namespace xensim::viridian {
namespace {

enum Code : uint16_t {
  kFlushSpace = 0x0002,
  kFlushList = 0x0003,
  kNotifyLongSpinWait = 0x0008,
  kSendIpi = 0x000b,
  kFlushSpaceEx = 0x0013,
  kFlushListEx = 0x0014,
  kSendIpiEx = 0x0015,
};
constexpr uint64_t kFast = 1u << 16;  // arguments in registers
constexpr uint64_t kInvalidCode = 2, kInvalidParameter = 5;
constexpr unsigned kRepeatsShift = 32;
constexpr uint64_t kRepeatsMask = 0xfff;
constexpr uint64_t kAllProcessors = 1;  // of a flush

template <class T>
std::span<std::byte> bytes_of(T& object) {
  return std::as_writable_bytes(std::span(&object, 1));
}

}  // namespace

uint64_t Viridian::call(const Call& call) {
  const auto code = static_cast<uint16_t>(call.input);
  yield_ = code == kNotifyLongSpinWait;
  switch (code) {
    case kNotifyLongSpinWait: return 0;
    case kFlushSpace:
    case kFlushList:
    case kFlushSpaceEx:
    case kFlushListEx:
      if (!flush(call, code == kFlushSpaceEx || code == kFlushListEx)) return kInvalidParameter;
      return (call.input >> kRepeatsShift & kRepeatsMask) << kRepeatsShift;  // all of them are done
    case kSendIpi:
    case kSendIpiEx: return send_ipi(call, code == kSendIpiEx) ? 0 : kInvalidParameter;
    default: return kInvalidCode;
  }
}

// A set of processors (TLFS 7.8.7.3): format, mask of the banks of 64 that follow, their masks.
bool Viridian::read_vp_set(Gpa at, std::vector<bool>& chosen) {
  enum Format : uint64_t { kSparse = 0, kAll = 1 };
  std::array<uint64_t, 2> head{};
  if (!client_.read_memory(at, bytes_of(head))) return false;
  if (head[0] == kAll) chosen.assign(chosen.size(), true);
  if (head[0] != kSparse) return head[0] == kAll;
  std::vector<uint64_t> banks(static_cast<size_t>(std::popcount(head[1])));
  if (!client_.read_memory(Gpa{at.v + sizeof head}, std::as_writable_bytes(std::span(banks)))) return false;
  size_t next = 0;
  for (size_t bank = 0; bank < 64; ++bank) {
    if ((head[1] >> bank & 1) == 0) continue;
    for (size_t i = 0; i < 64 && bank * 64 + i < chosen.size(); ++i) {
      if ((banks[next] >> i & 1) != 0) chosen[bank * 64 + i] = true;
    }
    ++next;
  }
  return true;
}

// Of which processors and addresses does not matter: it is allowed to flush more.
bool Viridian::flush(const Call& call, bool sparse) {
  struct {
    uint64_t space, flags, mask;
  } arguments{};
  if ((call.input & kFast) != 0 || !client_.read_memory(Gpa{call.in}, bytes_of(arguments))) return false;
  std::vector<bool> chosen(config_.vcpus);
  if (sparse && (arguments.flags & kAllProcessors) == 0 && !read_vp_set(Gpa{call.in + 2 * sizeof(uint64_t)}, chosen))
    return false;
  client_.flush_tlbs();
  return true;
}

bool Viridian::send_ipi(const Call& call, bool sparse) {
  struct {
    uint64_t vector = 0;  // bits 31:0; above are the target's trust level and zeroes, which must be none
    uint64_t mask = 0;
  } arguments;
  std::vector<bool> chosen(config_.vcpus);
  if ((call.input & kFast) != 0) {
    if (sparse || call.in >> 32 != 0) return false;
    arguments = {call.in, call.out};
  } else if (!client_.read_memory(Gpa{call.in}, bytes_of(arguments))) {
    return false;
  }
  if (arguments.vector < 0x10 || arguments.vector > 0xff) return false;
  if (sparse) {
    if (!read_vp_set(Gpa{call.in + sizeof(uint64_t)}, chosen)) return false;
  } else {
    for (size_t i = 0; i < chosen.size() && i < 64; ++i) chosen[i] = (arguments.mask >> i & 1) != 0;
  }
  for (uint32_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) client_.apic(VcpuId{i}).assert_vector(static_cast<uint8_t>(arguments.vector));
  }
  return true;
}

}  // namespace xensim::viridian
