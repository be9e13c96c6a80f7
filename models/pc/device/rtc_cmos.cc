// See rtc_cmos.h.
#include "models/pc/device/rtc_cmos.h"

#include "models/pc/device/state_bytes.h"

namespace xensim::pc {
namespace {

enum Register : uint8_t {
  kSeconds = 0,
  kMinutes = 2,
  kHours = 4,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 0xa,
  kB = 0xb,
  kC = 0xc,
  kD = 0xd,
  kCentury = 0x32
};
constexpr uint8_t kUpdateInProgress = 0x80, kDividers = 0x26, kBinary = 0x04, kHours24 = 0x02, kPowerGood = 0x80;
constexpr uint64_t kNsPerSecond = 1'000'000'000, kUpdateNs = 244'000;

struct Date {
  unsigned year, month, day;
};

// Howard Hinnant's days-to-civil algorithm, for days since 1970.
Date date_of(uint64_t days) {
  const uint64_t z = days + 719'468;
  const uint64_t era = z / 146'097, in_era = z % 146'097;
  const uint64_t year = (in_era - in_era / 1460 + in_era / 36'524 - in_era / 146'096) / 365;
  const uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
  const uint64_t shifted = (5 * in_year + 2) / 153;
  const uint64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {static_cast<unsigned>(year + era * 400 + (month <= 2 ? 1 : 0)), static_cast<unsigned>(month),
          static_cast<unsigned>(in_year - (153 * shifted + 2) / 5 + 1)};
}

}  // namespace

RtcCmos::RtcCmos(const Clock& clock, uint64_t epoch_s) : epoch_s_(epoch_s), clock_(clock) {
  state_.memory[kA] = kDividers;
  state_.memory[kB] = kHours24;
}

std::vector<PortRange> RtcCmos::ports() const { return {{0x70, 2, 1}}; }

uint8_t RtcCmos::coded(uint64_t value) const {
  if ((state_.memory[kB] & kBinary) != 0) return static_cast<uint8_t>(value);
  return static_cast<uint8_t>(value / 10 << 4 | value % 10);
}

uint8_t RtcCmos::read(uint8_t index) const {
  const uint64_t now_ns = clock_.now().v;
  const uint64_t seconds = epoch_s_ + now_ns / kNsPerSecond;
  const uint64_t days = seconds / 86'400;
  switch (index) {
    case kSeconds: return coded(seconds % 60);
    case kMinutes: return coded(seconds / 60 % 60);
    case kHours: {
      const uint64_t hour = seconds / 3600 % 24;
      if ((state_.memory[kB] & kHours24) != 0) return coded(hour);
      return static_cast<uint8_t>(coded(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0));
    }
    case kWeekday: return coded((days + 4) % 7 + 1);  // 1 is Sunday; 1970 began on a Thursday
    case kDay: return coded(date_of(days).day);
    case kMonth: return coded(date_of(days).month);
    case kYear: return coded(date_of(days).year % 100);
    case kCentury: return coded(date_of(days).year / 100);
    case kA: {
      const bool updating = now_ns % kNsPerSecond >= kNsPerSecond - kUpdateNs;
      return static_cast<uint8_t>((state_.memory[kA] & 0x7f) | (updating ? kUpdateInProgress : 0));
    }
    case kC: return 0;
    case kD: return kPowerGood;
    default: return state_.memory[index];
  }
}

uint32_t RtcCmos::port_in(uint16_t port, unsigned /*bytes*/) { return port == 0x71 ? read(state_.index) : 0xff; }

void RtcCmos::port_out(uint16_t port, unsigned /*bytes*/, uint32_t value) {
  if (port == 0x70) {
    state_.index = value & 0x7f;  // bit 7 masks NMI
  } else if (state_.index != kC && state_.index != kD) {
    state_.memory[state_.index] = static_cast<uint8_t>(value);
  }
}

void RtcCmos::save(std::vector<std::byte>& out) const { save_state(out, state_); }
Status RtcCmos::restore(std::span<const std::byte>& in) { return restore_state(in, state_); }

}  // namespace xensim::pc
