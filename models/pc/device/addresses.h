// Where a PC has what ACPI tables tell of: ports, GSIs and slots that a device and its description share.
#pragma once

#include <cstdint>

namespace xensim::pc {

inline constexpr uint16_t kPmEventPort = 0xb000;    // PM1a event block, 4 bytes
inline constexpr uint16_t kPmControlPort = 0xb004;  // PM1a control block, 2 bytes
inline constexpr uint16_t kPmTimerPort = 0xb008;    // 4 bytes
inline constexpr unsigned kSciGsi = 9;
inline constexpr uint32_t kIoApicBase = 0xfec00000;

}  // namespace xensim::pc
