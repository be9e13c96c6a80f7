// The destinations of an IPI.
#include "models/pc/device/apic_bus.h"

#include "models/pc/device/local_apic.h"

namespace xensim::pc {

void ApicBus::attach(LocalApic& apic) { apics_.push_back(&apic); }

bool ApicBus::hears(const LocalApic& target, const LocalApic* sender, const ApicMessage& message) const {
  if (!target.hardware_enabled()) return false;
  const bool is_self = &target == sender;
  const bool start_stop = message.mode == DeliveryMode::kInit || message.mode == DeliveryMode::kStartup;
  switch (message.shorthand) {
    case Shorthand::kSelf: return is_self && !start_stop;
    case Shorthand::kAll: return !(is_self && start_stop);
    case Shorthand::kOthers: return !is_self;
    case Shorthand::kNone: break;
  }
  return message.broadcast || target.matches(message.logical, message.destination);
}

void ApicBus::send(const LocalApic& sender, const ApicMessage& message) { deliver(&sender, message); }
void ApicBus::send_from_device(const ApicMessage& message) { deliver(nullptr, message); }

void ApicBus::deliver(const LocalApic* sender, const ApicMessage& message) {
  LocalApic* lowest = nullptr;
  for (LocalApic* apic : apics_) {
    if (!hears(*apic, sender, message)) continue;
    if (message.mode != DeliveryMode::kLowestPriority) {
      apic->accept(message.mode, message.vector, message.level);
    } else if (apic->software_enabled()) {
      if (lowest == nullptr || apic->processor_priority() < lowest->processor_priority()) lowest = apic;
    }
  }
  if (lowest != nullptr) lowest->accept(DeliveryMode::kFixed, message.vector, message.level);
}

}  // namespace xensim::pc
