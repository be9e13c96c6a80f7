// The bus between the local APICs of one domain: which of them an inter-processor interrupt reaches.
//
// Destinations are asked in the order in which they were attached (vCPU order), so delivery is deterministic.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/base/types.h"

namespace xensim::pc {

class LocalApic;

// Encoded as in the ICR and the LVTs (SDM vol. 3, 11.6.1). Numbers 3 and 7 are not delivery modes of an IPI.
enum class DeliveryMode : uint8_t { kFixed = 0, kLowestPriority = 1, kSmi = 2, kNmi = 4, kInit = 5, kStartup = 6 };

enum class Shorthand : uint8_t { kNone = 0, kSelf = 1, kAll = 2, kOthers = 3 };

struct ApicMessage {
  DeliveryMode mode = DeliveryMode::kFixed;
  uint8_t vector = 0;
  Shorthand shorthand = Shorthand::kNone;
  bool logical = false;      // destination mode; without meaning under a shorthand
  bool level = false;        // level-triggered, from an IO-APIC: inter-processor interrupts are edges (SDM 11.6.1)
  bool broadcast = false;    // the destination is the sender's "all": 0xff from an xAPIC, 0xffffffff from an x2APIC
  uint32_t destination = 0;  // 8 bits from an xAPIC, 32 from an x2APIC
};

class ApicBus {
 public:
  // `apic` must outlive the bus's last send.
  void attach(LocalApic& apic);

  // Delivers to all that match; lowest priority to the one with the lowest processor priority, the first of them on a
  // tie. A globally disabled APIC hears nothing. INIT and SIPI under a shorthand leave the sender itself out (the SDM's
  // table of valid combinations, 11-4, has none that would hit it); SMI is not modelled and vanishes.
  void send(const LocalApic& sender, const ApicMessage& message);
  // The same for a device (an IO-APIC), which uses no shorthand.
  void send_from_device(const ApicMessage& message);
  // The EOI broadcast: called with the vector of each level-triggered interrupt that a local APIC has ended (SDM
  // 11.8.5); nullptr: there is no IO-APIC.
  void set_end_of_interrupt(std::function<void(uint8_t vector)> told) { end_of_interrupt_ = std::move(told); }
  void ended(uint8_t vector) const {
    if (end_of_interrupt_) end_of_interrupt_(vector);
  }

 private:
  // `sender` is nullptr for a device.
  bool hears(const LocalApic& target, const LocalApic* sender, const ApicMessage& message) const;
  void deliver(const LocalApic* sender, const ApicMessage& message);

  // Glue.
  std::vector<LocalApic*> apics_;
  std::function<void(uint8_t)> end_of_interrupt_;
};

}  // namespace xensim::pc
