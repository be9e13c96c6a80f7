// Routing of port and memory-mapped accesses.
#include "models/pc/device/io_bus.h"

#include "models/base/check.h"

namespace xensim::pc {
namespace {

bool holds_whole(const PortRange& range, uint32_t port, unsigned bytes) {
  return bytes <= range.max_bytes && port + bytes <= uint32_t{range.first} + range.count;
}

uint32_t low_bits(unsigned bytes) { return bytes >= 4 ? 0xffffffff : (1u << (8 * bytes)) - 1; }

}  // namespace

void IoBus::attach(PortDevice& device) {
  for (const PortRange& range : device.ports()) {
    XS_CHECK(range.count > 0 && uint32_t{range.first} + range.count <= 0x10000);
    for (uint32_t port = range.first; port < uint32_t{range.first} + range.count; ++port) {
      XS_CHECK(find_port(port) == nullptr);
    }
    ports_.push_back({range, &device});
  }
}

void IoBus::attach(MmioDevice& device) {
  const MmioRange range = device.mmio();
  XS_CHECK(range.bytes > 0 && range.first.v + range.bytes > range.first.v);
  for (const MmioRoute& route : mmio_) {
    const uint64_t other_end = route.range.first.v + route.range.bytes;
    XS_CHECK(range.first.v >= other_end || route.range.first.v >= range.first.v + range.bytes);
  }
  mmio_.push_back({range, &device});
}

const IoBus::PortRoute* IoBus::find_port(uint32_t port) const {
  for (const PortRoute& route : ports_) {
    if (port >= route.range.first && port - route.range.first < route.range.count) return &route;
  }
  return nullptr;
}

uint32_t IoBus::port_in(uint16_t port, unsigned bytes) {
  const PortRoute* route = find_port(port);
  if (route != nullptr && holds_whole(route->range, port, bytes)) {
    return route->device->port_in(port, bytes) & low_bits(bytes);
  }
  uint32_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) {
    route = find_port(uint32_t{port} + i);
    const uint32_t byte = route == nullptr ? 0xff : route->device->port_in(static_cast<uint16_t>(port + i), 1) & 0xff;
    value |= byte << (8 * i);
  }
  return value;
}

void IoBus::port_out(uint16_t port, unsigned bytes, uint32_t value) {
  const PortRoute* route = find_port(port);
  if (route != nullptr && holds_whole(route->range, port, bytes)) {
    route->device->port_out(port, bytes, value & low_bits(bytes));
    return;
  }
  for (unsigned i = 0; i < bytes; ++i) {
    route = find_port(uint32_t{port} + i);
    if (route != nullptr) route->device->port_out(static_cast<uint16_t>(port + i), 1, (value >> (8 * i)) & 0xff);
  }
}

const IoBus::MmioRoute* IoBus::find_mmio(Gpa gpa, unsigned bytes) const {
  for (const MmioRoute& route : mmio_) {
    if (gpa >= route.range.first && gpa.v - route.range.first.v < route.range.bytes) {
      return bytes <= route.range.bytes - (gpa.v - route.range.first.v) ? &route : nullptr;
    }
  }
  return nullptr;
}

uint64_t IoBus::mmio_read(Gpa gpa, unsigned bytes) {
  const uint64_t mask = bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1;
  const MmioRoute* route = find_mmio(gpa, bytes);
  if (route == nullptr) return holes_read_zero_ ? 0 : mask;
  return route->device->mmio_read(gpa.v - route->range.first.v, bytes) & mask;
}

void IoBus::mmio_write(Gpa gpa, unsigned bytes, uint64_t value) {
  const MmioRoute* route = find_mmio(gpa, bytes);
  if (route != nullptr) route->device->mmio_write(gpa.v - route->range.first.v, bytes, value);
}

}  // namespace xensim::pc
