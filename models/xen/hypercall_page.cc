#include "models/xen/hypercall_page.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

constexpr unsigned kStubBytes = 32;
constexpr unsigned kStubs = kPageSize / kStubBytes;

constexpr std::byte kFiller{0xcc};  // INT3

// The same bytes serve 64- and 32-bit callers: `mov $number, %eax; vmcall; ret`. `plain`: slot 23 is no exception.
std::array<std::byte, kPageSize> hypercall_page(bool plain) {
  std::array<std::byte, kPageSize> page;
  page.fill(kFiller);
  for (uint32_t number = 0; number < kStubs; ++number) {
    std::byte* const stub = page.data() + number * kStubBytes;
    if (number == __HYPERVISOR_iret && !plain) {
      constexpr unsigned char kUd2[] = {0x0f, 0x0b};
      std::memcpy(stub, kUd2, sizeof(kUd2));
      continue;
    }
    constexpr unsigned char kStub[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x01, 0xc1, 0xc3};
    std::memcpy(stub, kStub, sizeof(kStub));
    std::memcpy(stub + 1, &number, sizeof(number));
  }
  return page;
}

}  // namespace

bool write_hypercall_msr(Entry& entry, Vcpu& vcpu, uint32_t msr, uint64_t value) {
  if (msr != kHypercallMsr || (value & (kPageSize - 1)) != 0) return false;
  const std::array<std::byte, kPageSize> page = hypercall_page(entry.flavour().hypercall_page_plain);
  return copy_to_physical(entry, vcpu.domain(), Gpa{value}, page, Site::kHypercallPage) == 0;
}

std::optional<uint64_t> read_hypercall_msr(Entry& entry, Vcpu& /*vcpu*/, uint32_t msr) {
  if (msr != kHypercallMsr || entry.flavour().hypercall_page_plain) return std::nullopt;
  return 0;
}

}  // namespace xensim::xen
