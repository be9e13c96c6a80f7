// do_console_io: the hypervisor's own console.
#include <algorithm>
#include <array>
#include <limits>

#include "models/xen/abi/public.h"
#include "models/xen/guest_access.h"

namespace xensim::xen {
namespace {

constexpr uint32_t kMaxChunk = 127;  // Xen copies in that much at a time

int64_t console_write(HypercallContext& context, uint32_t count, Gva buffer) {
  std::array<std::byte, kMaxChunk> text;
  while (count > 0) {
    const std::span<std::byte> chunk = std::span(text).first(std::min(count, kMaxChunk));
    if (copy_from_guest(context, context.vcpu, chunk, buffer, Site::kGuestData) != 0) return -XEN_EFAULT;
    context.platform().console_write(context.domain.id(), ConsoleChannel::kConsoleIo, chunk);
    buffer.v += chunk.size();
    count -= static_cast<uint32_t>(chunk.size());
  }
  return 0;
}

}  // namespace

int64_t do_console_io(HypercallContext& context) {
  // A release build of Xen keeps its console for the control domain (measured: -EPERM).
  if (!context.domain.privileged()) return -XEN_EPERM;
  const auto count = static_cast<uint32_t>(context.arg(1));
  switch (static_cast<uint32_t>(context.arg(0))) {
    case CONSOLEIO_write: return console_write(context, count, Gva{context.arg(2)});
    case CONSOLEIO_read: return count > std::numeric_limits<int32_t>::max() ? -XEN_E2BIG : 0;  // nothing was typed
    default: return -XEN_ENOSYS;
  }
}

}  // namespace xensim::xen
