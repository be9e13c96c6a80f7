// See server.h.
#include "models/pv/xenstore/server.h"

#include <xen/io/xs_wire.h>

#include <cstddef>
#include <cstring>

namespace xensim::pv {
namespace {

using Page = xenstore_domain_interface;

// While more bytes than these wait for room in the guest's ring, its requests are left in theirs.
constexpr size_t kMostWaiting = 64 << 10;

std::string wire(const XsMessage& message) {
  const xsd_sockmsg header{message.type, message.request, message.transaction,
                           static_cast<uint32_t>(message.payload.size())};
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes + message.payload;
}

}  // namespace

XsServer::XsServer(std::span<std::byte> page, XsStore& store, DomId dom)
    : requests_(page, offsetof(Page, req), XENSTORE_RING_SIZE, offsetof(Page, req_cons), offsetof(Page, req_prod)),
      replies_(page, offsetof(Page, rsp), XENSTORE_RING_SIZE, offsetof(Page, rsp_cons), offsetof(Page, rsp_prod)),
      connection_(store, dom) {}

// One whole message from in_, if it is there.
void XsServer::take_message() {
  xsd_sockmsg header;
  std::memcpy(&header, in_.data(), sizeof header);
  XsMessage request{header.type, header.req_id, header.tx_id, in_.substr(sizeof header, header.len)};
  in_.erase(0, sizeof header + header.len);
  out_ += wire(connection_.handle(request));
  for (const XsMessage& event : connection_.take_events()) out_ += wire(event);
}

bool XsServer::flush() {
  const auto added = replies_.add(out_);
  if (!added) broken_ = true;
  out_.erase(0, added.value_or(0));
  return added.value_or(0) != 0;
}

bool XsServer::notified() {
  if (broken_) return false;
  bool notify = !out_.empty() && flush();
  if (out_.size() <= kMostWaiting) {
    const auto bytes = requests_.take(XENSTORE_RING_SIZE);
    if (!bytes) {
      broken_ = true;
      return false;
    }
    in_ += *bytes;
    notify = notify || !bytes->empty();
  }
  while (in_.size() >= sizeof(xsd_sockmsg) && out_.size() <= kMostWaiting) {
    xsd_sockmsg header;
    std::memcpy(&header, in_.data(), sizeof header);
    if (header.len > XENSTORE_PAYLOAD_MAX) {
      broken_ = true;
      return false;
    }
    if (in_.size() < sizeof header + header.len) break;
    take_message();
  }
  return flush() || notify;
}

}  // namespace xensim::pv
