#include "traces/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "models/xen/abi/decode.h"
#include "traces/codec.h"
#include "traces/recording_core.h"

namespace xensim::traces {

namespace {

constexpr const char* kSiteNames[] = {
#define XS_SITE(enumerator, name) name,
#include "models/xen/api/sites.def"
#undef XS_SITE
};

constexpr const char* kHostOpNames[] = {"map_grant", "unmap_grant", "copy_from_grant", "copy_to_grant", "bind_port",
                                        "listen",    "ignore",      "notify",          "destroy_domain"};
constexpr const char* kTimerNames[] = {"singleshot", "periodic", "poll", "watchdog0", "watchdog1"};
constexpr const char* kShutdownNames[] = {"poweroff", "reboot", "suspend", "crash", "watchdog", "soft_reset"};
constexpr const char* kChannelNames[] = {"console_io", "debug_port", "serial", "pv_console"};
constexpr const char* kSharedNames[] = {"load", "store", "rmw"};
constexpr const char* kRmwNames[] = {"or", "and", "xor", "add", "exchange", "compare_exchange"};
constexpr const char* kRmwSigns[] = {"|=", "&=", "^=", "+=", "<-", "<-"};
constexpr const char* kAccessNames[] = {"read", "write", "execute"};
constexpr const char* kSliceNames[] = {"budget",    "halt",  "hypercall", "point", "stop",
                                       "interrupt", "pause", "shutdown",  "error"};

const char* enum_text(xen::Site value) { return kSiteNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::TimerKind value) { return kTimerNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::HostOpKind value) { return kHostOpNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::ShutdownReason value) { return kShutdownNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::ConsoleChannel value) { return kChannelNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::SharedOp value) { return kSharedNames[static_cast<size_t>(value)]; }
const char* enum_text(xen::Rmw value) { return kRmwNames[static_cast<size_t>(value)]; }
const char* enum_text(Access value) { return kAccessNames[static_cast<size_t>(value)]; }
const char* enum_text(SliceEnd value) { return kSliceNames[static_cast<size_t>(value)]; }

std::string hex(uint64_t value) { return value < 10 ? fmt::format("{}", value) : fmt::format("{:#x}", value); }

std::string hex_bytes(ByteView bytes, size_t limit) {
  std::string text;
  for (size_t i = 0; i < std::min(bytes.size(), limit); i++) {
    text += fmt::format("{}{:02x}", i == 0 ? "" : " ", static_cast<unsigned>(bytes[i]));
  }
  if (bytes.size() > limit) text += fmt::format(" ... ({} bytes)", bytes.size());
  return text;
}

std::string quoted(ByteView bytes) {
  std::string text = "\"";
  for (const std::byte byte : bytes) {
    const auto c = static_cast<char>(byte);
    if (c == '\n') {
      text += "\\n";
    } else if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned>(byte));
    }
  }
  return text + '"';
}

// shared_info's bitmaps (xen.h, struct shared_info): the vcpu_info array takes 2,048 bytes in both layouts, then come
// the pending bits and the mask bits, 512 bytes each in the 64-bit layout and 128 in the 32-bit one.
constexpr uint64_t kPendingOffset = 2048;

// Byte offset of a word within its bitmap; nullopt: not in one.
std::optional<uint64_t> bitmap_offset(xen::Site site, Maddr at, unsigned bytes) {
  const uint64_t bitmap = bytes == 8 ? 512 : 128;
  const uint64_t in_page = at.v % kPageSize;
  uint64_t base = kPendingOffset;
  if (site == xen::Site::kEvtchnMask) {
    base += bitmap;
  } else if (site != xen::Site::kEvtchnPending) {
    return std::nullopt;
  }
  if (in_page < base || in_page >= base + bitmap) return std::nullopt;
  return in_page - base;
}

std::string place(xen::Site site, Maddr at, unsigned bytes) {
  const std::optional<uint64_t> offset = bitmap_offset(site, at, bytes);
  if (offset && bytes != 0) return fmt::format("{}[{}]", enum_text(site), *offset / bytes);
  return fmt::format("{} @{:#x}", enum_text(site), at.v);
}

bool word_has(xen::Site site, Maddr at, unsigned bytes, uint64_t bits, Port port) {
  const std::optional<uint64_t> offset = bitmap_offset(site, at, bytes);
  if (!offset) return false;
  const uint64_t first = *offset * 8;
  return port.v >= first && port.v < first + bytes * uint64_t{8} && (bits >> (port.v - first) & 1) != 0;
}

struct Describer {
  std::string operator()(std::monostate /*none*/) const { return "nothing"; }
  std::string operator()(const HypercallBegin& e) const {
    return xen::abi::describe_hypercall(regs_of(e), {}, std::nullopt);
  }
  std::string operator()(const HypercallEnd& e) const { return "hypercall" + xen::abi::describe_result(e.result); }
  std::string operator()(const Load& e) const {
    return fmt::format("load {} = {}", place(e.site, e.at, e.bytes), hex(e.value));
  }
  std::string operator()(const Store& e) const {
    return fmt::format("store {} = {}", place(e.site, e.at, e.bytes), hex(e.value));
  }
  std::string operator()(const Rmw& e) const {
    const char* sign = kRmwSigns[static_cast<size_t>(e.op)];
    const std::string operand = e.op == xen::Rmw::kAnd ? "~" + hex(~e.operand & mask(e.bytes)) : hex(e.operand);
    const std::string where = place(e.site, e.at, e.bytes);
    if (e.op == xen::Rmw::kCompareExchange) {
      return fmt::format("rmw {} {} {} if {} ({} {})", where, sign, operand, hex(e.expected),
                         e.old == e.expected ? "it was" : "no: it was", hex(e.old));
    }
    return fmt::format("rmw {} {} {} (was {})", where, sign, operand, hex(e.old));
  }
  std::string operator()(const Read& e) const {
    return fmt::format("read {} @{:#x}: {}", enum_text(e.site), e.from.v, hex_bytes(e.data, 32));
  }
  std::string operator()(const Write& e) const {
    return fmt::format("write {} @{:#x}: {}", enum_text(e.site), e.to.v, hex_bytes(e.data, 32));
  }
  std::string operator()(const Copy& e) const {
    return fmt::format("copy {} {} bytes {:#x} -> {:#x}", enum_text(e.site), e.bytes, e.from.v, e.to.v);
  }
  std::string operator()(const Translate& e) const {
    return fmt::format("translate {} {} gva {:#x} = {}", describe_vcpu(e.vcpu), enum_text(e.access), e.gva.v,
                       e.mapped ? fmt::format("gpa {:#x}", e.gpa.v) : "not mapped");
  }
  std::string operator()(const AllocatePage& e) const {
    return fmt::format("allocate_page d{} = mfn {:#x}", e.owner.v, e.frame.v);
  }
  std::string operator()(const SetMapping& e) const {
    return fmt::format("set_mapping d{} gfn {:#x} -> {}", e.dom.v, e.gfn.v,
                       e.mapped ? fmt::format("mfn {:#x}{}", e.frame.v, e.writable ? "" : " read-only") : "hole");
  }
  std::string operator()(const Now& e) const { return "now = " + describe_time(e.time); }
  std::string operator()(const ArmTimer& e) const {
    return fmt::format("arm_timer {} {} at {}", enum_text(e.timer), describe_vcpu(e.vcpu), describe_time(e.deadline));
  }
  std::string operator()(const CancelTimer& e) const {
    return fmt::format("cancel_timer {} {}", enum_text(e.timer), describe_vcpu(e.vcpu));
  }
  std::string operator()(const Kick& e) const { return "kick " + describe_vcpu(e.vcpu); }
  std::string operator()(const SetRunnable& e) const {
    return fmt::format("{} {}", e.runnable ? "unblock" : "block", describe_vcpu(e.vcpu));
  }
  std::string operator()(const ConsoleWrite& e) const {
    return fmt::format("console_write d{} {} {}", e.dom.v, enum_text(e.channel), quoted(e.text));
  }
  std::string operator()(const Console& e) const {
    return fmt::format("console d{} {} {}", e.dom.v, enum_text(e.channel), quoted(e.text));
  }
  std::string operator()(const Lock& e) const { return lock_text("lock", e); }
  std::string operator()(const LockShared& e) const { return lock_text("lock_shared", e); }
  std::string operator()(const UnlockShared& e) const { return lock_text("unlock_shared", e); }
  std::string operator()(const Unlock& e) const { return lock_text("unlock", e); }
  std::string operator()(const SharedAccess& e) const {
    return fmt::format("shared {} {} d{} {}", enum_text(e.op), enum_text(e.site), e.dom.v, e.index);
  }
  std::string operator()(const Slice& e) const {
    return fmt::format("slice {} {} instructions, ended by {}{}", describe_vcpu(e.vcpu), e.instructions,
                       enum_text(e.why), at_rip(e.rip));
  }
  std::string operator()(const Interrupt& e) const {
    return fmt::format("interrupt {} vector {:#x}{}", describe_vcpu(e.vcpu), e.vector, at_rip(e.rip));
  }
  std::string operator()(const PortIo& e) const {
    return fmt::format("{} {} port {:#x} {} {:#x}", e.write ? "out" : "in", describe_vcpu(e.vcpu), e.port,
                       e.write ? "<-" : "=", e.value);
  }
  std::string operator()(const Mmio& e) const {
    return fmt::format("mmio {} {} {:#x} {} {:#x}", e.write ? "write" : "read", describe_vcpu(e.vcpu), e.gpa.v,
                       e.write ? "<-" : "=", e.value);
  }
  std::string operator()(const Msr& e) const {
    return fmt::format("{} {} {:#x} {} {:#x}{}", e.write ? "wrmsr" : "rdmsr", describe_vcpu(e.vcpu), e.msr,
                       e.write ? "<-" : "=", e.value, e.ok ? "" : " #GP(0)");
  }
  std::string operator()(const Point& e) const { return "point " + quoted(e.name); }
  std::string operator()(const Decision& e) const { return fmt::format("decision: actor {} -> {}", e.from, e.to); }
  std::string operator()(const Exit& e) const { return fmt::format("exit d{} {}", e.dom.v, enum_text(e.reason)); }
  std::string operator()(const MemoryHash& e) const { return fmt::format("memory_hash d{} {:016x}", e.dom.v, e.hash); }

  // All others: their name and fields; returns by their class.
  template <class Body>
  std::string operator()(const Body& body) const;

  static uint64_t mask(unsigned bytes) { return bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1; }
  static std::string at_rip(Gva rip) { return rip.v == 0 ? "" : fmt::format(" at {:#x}", rip.v); }
  template <class Body>
  static std::string lock_text(const char* verb, const Body& e) {
    return fmt::format("{} {} d{} {}", verb, enum_text(e.site), e.dom.v, e.index);
  }
};

// Turns fields into text one at a time.
struct FieldTexts {
  std::vector<FieldText> fields;

  template <class Codec, class T>
  void operator()(Codec /*codec*/, const char* name, const T& value) {
    fields.push_back({name, text(value)});
  }
  static std::string text(ByteView value) { return hex_bytes(value, 64); }
  static std::string text(VcpuRef value) { return describe_vcpu(value); }
  static std::string text(const HypercallArgs& value) {
    return fmt::format("[{:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x}]", value[0], value[1], value[2], value[3], value[4],
                       value[5]);
  }
  static std::string text(VirtualNs value) { return describe_time(value); }
  static std::string text(bool value) { return value ? "true" : "false"; }
  static std::string text(DomId value) { return fmt::format("{}", value.v); }
  static std::string text(Port value) { return fmt::format("{}", value.v); }
  template <class T>
  static std::string text(T value) {
    if constexpr (std::is_enum_v<T>) {
      return enum_text(value);
    } else if constexpr (std::is_class_v<T>) {
      return hex(value.v);
    } else if constexpr (std::is_signed_v<T>) {
      return fmt::format("{}", static_cast<int>(value));
    } else if constexpr (sizeof(T) == 8) {
      return hex(value);
    } else {
      return fmt::format("{}", value);
    }
  }
};

template <class Body>
std::string Describer::operator()(const Body& body) const {
  FieldTexts texts;
  visit_fields(body, texts);
  std::string line(Body::kName);
  if (Body::kClass == EventClass::kReturn) line += " returns";
  for (const FieldText& field : texts.fields) line += fmt::format(" {}: {}", field.name, field.value);
  return line;
}

}  // namespace

const char* site_text(xen::Site site) { return static_cast<size_t>(site) < kSites ? enum_text(site) : "?"; }

std::string describe_event(const Event& event) { return std::visit(Describer{}, event.body); }

std::string describe_time(VirtualNs time) {
  struct Unit {
    uint64_t ns;
    int digits;
    const char* name;
  };
  for (const Unit unit : {Unit{1000000000, 9, "s"}, Unit{1000000, 6, "ms"}, Unit{1000, 3, "us"}}) {
    if (time.v < unit.ns) continue;
    std::string text = fmt::format("{}.{:0{}}", time.v / unit.ns, time.v % unit.ns, unit.digits);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text + unit.name;
  }
  return fmt::format("{}ns", time.v);
}

std::optional<VirtualNs> parse_time(std::string_view text) {
  uint64_t scale = 1;
  for (const auto& [name, ns] : {std::pair{"ns", 1ull}, {"us", 1000ull}, {"ms", 1000000ull}, {"s", 1000000000ull}}) {
    if (!text.ends_with(name)) continue;
    scale = ns;
    text.remove_suffix(std::string_view(name).size());
    break;
  }
  // Whole part, then digits of the fraction, each worth a tenth of the one before.
  uint64_t value = 0;
  const auto whole = std::from_chars(text.data(), text.data() + text.size(), value);
  if (whole.ec != std::errc{} || value > UINT64_MAX / scale) return std::nullopt;
  value *= scale;
  text.remove_prefix(static_cast<size_t>(whole.ptr - text.data()));
  if (text.empty()) return VirtualNs{value};
  if (text.front() != '.' || text.size() < 2) return std::nullopt;
  for (const char digit : text.substr(1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    scale /= 10;
    value += scale * static_cast<uint64_t>(digit - '0');
  }
  return VirtualNs{value};
}

std::string describe_vcpu(VcpuRef vcpu) { return fmt::format("d{}v{}", vcpu.dom.v, vcpu.vcpu.v); }

std::string describe_event_line(const Event& event, const std::vector<ActorInfo>& actors) {
  const std::string actor =
      event.actor < actors.size() ? describe_actor(actors[event.actor]) : fmt::format("actor {}", event.actor);
  return fmt::format("#{} {} {} {}", event.index, actor, describe_time(event.time), describe_event(event));
}

std::vector<FieldText> event_fields(const Event& event) {
  FieldTexts texts;
  std::visit(
      [&texts](const auto& body) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(body)>, std::monostate>) visit_fields(body, texts);
      },
      event.body);
  return std::move(texts.fields);
}

bool concerns_port(const Event& event, Port port) {
  const auto channel = [port](xen::Site site, uint32_t index) {
    return index == port.v && (site == xen::Site::kChannelLock || site == xen::Site::kChannelState);
  };
  if (const auto* load = std::get_if<Load>(&event.body)) {
    return word_has(load->site, load->at, load->bytes, load->value, port);
  }
  if (const auto* store = std::get_if<Store>(&event.body)) {
    return word_has(store->site, store->at, store->bytes, store->value, port);
  }
  if (const auto* rmw = std::get_if<Rmw>(&event.body)) {
    const uint64_t bits = rmw->op == xen::Rmw::kAnd ? ~rmw->operand : rmw->operand;
    return word_has(rmw->site, rmw->at, rmw->bytes, bits, port);
  }
  if (const auto* lock = std::get_if<Lock>(&event.body)) return channel(lock->site, lock->index);
  if (const auto* unlock = std::get_if<Unlock>(&event.body)) return channel(unlock->site, unlock->index);
  if (const auto* lock_shared = std::get_if<LockShared>(&event.body))
    return channel(lock_shared->site, lock_shared->index);
  if (const auto* unlock_shared = std::get_if<UnlockShared>(&event.body)) {
    return channel(unlock_shared->site, unlock_shared->index);
  }
  if (const auto* access = std::get_if<SharedAccess>(&event.body)) return channel(access->site, access->index);
  if (const auto* external = std::get_if<ExternalEventBegin>(&event.body)) return external->port == port;
  return false;
}

}  // namespace xensim::traces
