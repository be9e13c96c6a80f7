// The wiring: which devices a domain has, and where.
#include "models/pc/board.h"

#include "models/base/check.h"

namespace xensim::pc {

// Port 0x12 has no signature of its own: a read finds nothing there.
Board::Board(const BoardConfig& config, BoardClient& client)
    : client_(client),
      port_e9_(kDebugPortE9, 0xe9, ConsoleSource::kPortE9, client),
      port_12_(kDebugPort12, 0xff, ConsoleSource::kPort12, client),
      uart_(client, *this),
      test_exit_(client),
      bus_(config.holes_read_zero) {
  for (uint32_t vcpu = 0; vcpu < config.vcpus; ++vcpu) {
    const ApicConfig apic{.vcpu = VcpuId{vcpu},
                          .apic_id = vcpu * config.apic_id_step,
                          .bootstrap = vcpu == 0,
                          .x2apic = config.x2apic,
                          .quirks = config.apic,
                          .bus_hz = config.apic_bus_hz,
                          .tsc_hz = config.tsc_hz};
    apics_.push_back(std::make_unique<LocalApic>(apic, apic_bus_, client, client, client));
  }
  bus_.attach(port_e9_);
  if (config.pc) {
    pc_ = std::make_unique<PcDevices>(PcDevices::Client{client, client, client, client}, apic_bus_, config.epoch_s,
                                      config.io_apic_id);
    pc_->attach_to(bus_);
    apic_bus_.set_end_of_interrupt([this](uint8_t vector) { pc_->end_of_interrupt(vector); });
  } else {
    bus_.attach(port_12_);  // a PC has the platform device there
  }
  if (config.io_apic && !config.pc) {
    io_apic_ = std::make_unique<IoApic>(apic_bus_, kQemuIoApic, config.io_apic_id);
    bus_.attach(*io_apic_);
    apic_bus_.set_end_of_interrupt([this](uint8_t vector) { io_apic_->end_of_interrupt(vector); });
  }
  if (config.uart) bus_.attach(uart_);
  bus_.attach(test_exit_);
}

LocalApic& Board::apic(VcpuId vcpu) {
  XS_CHECK(vcpu.v < apics_.size());
  return *apics_[vcpu.v];
}

const LocalApic& Board::apic(VcpuId vcpu) const {
  XS_CHECK(vcpu.v < apics_.size());
  return *apics_[vcpu.v];
}

namespace {

bool in_page(Gpa page, Gpa gpa, unsigned bytes) { return gpa >= page && gpa.v - page.v <= kApicMmioBytes - bytes; }

}  // namespace

LocalApic* Board::apic_at(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  LocalApic& found = apic(vcpu);
  const auto page = found.page();
  return page && in_page(*page, gpa, bytes) ? &found : nullptr;
}

uint64_t Board::mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  if (LocalApic* apic = apic_at(vcpu, gpa, bytes)) return apic->mmio_read(gpa.v % kApicMmioBytes, bytes);
  if (in_page(kApicDefaultBase, gpa, bytes)) return ~uint64_t{0} >> (64 - 8 * bytes);
  return bus_.mmio_read(gpa, bytes);
}

void Board::mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) {
  if (LocalApic* apic = apic_at(vcpu, gpa, bytes)) {
    apic->mmio_write(gpa.v % kApicMmioBytes, bytes, value);
  } else {
    bus_.mmio_write(gpa, bytes, value);
  }
}

bool Board::owns_msr(uint32_t msr) {
  return msr == kMsrApicBase || msr == kMsrTscDeadline || (msr >= kMsrX2apicFirst && msr <= kMsrX2apicLast);
}

std::optional<uint64_t> Board::rdmsr(VcpuId vcpu, uint32_t msr) { return apic(vcpu).rdmsr(msr); }

bool Board::wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) { return apic(vcpu).wrmsr(msr, value); }

void Board::timer_expired(uint32_t timer) {
  if (timer == kPitTimer) {
    XS_CHECK(pc_ != nullptr);
    pc_->timer_expired();
  } else {
    apic(VcpuId{timer}).timer_expired();
  }
}

void Board::set_irq(unsigned irq, bool level) {
  if (pc_) {
    pc_->set_irq(irq, level);
  } else if (io_apic_) {
    io_apic_->set_irq(irq, level);
  } else {
    client_.set_irq(irq, level);
  }
}

void Board::save(std::vector<std::byte>& out) const {
  for (const auto& apic : apics_) apic->save(out);
  uart_.save(out);
  if (pc_) pc_->save(out);
  if (io_apic_) io_apic_->save(out);
}

Status Board::restore(std::span<const std::byte>& in) {
  for (const auto& apic : apics_) XS_TRY_STATUS(apic->restore(in));
  XS_TRY_STATUS(uart_.restore(in));
  if (pc_) XS_TRY_STATUS(pc_->restore(in));
  if (io_apic_) XS_TRY_STATUS(io_apic_->restore(in));
  return {};
}

}  // namespace xensim::pc
