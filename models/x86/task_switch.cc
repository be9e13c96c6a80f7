#include "models/x86/task_switch.h"

#include <algorithm>
#include <array>

#include "models/x86/debug.h"
#include "models/x86/segments.h"

namespace xensim::x86 {
namespace {

constexpr unsigned kBusy = 2;  // of a TSS's type
constexpr unsigned kSelectors = 6;

// Where a TSS keeps what (SDM vol. 3, figures 7-2 and 7-10).
struct TssLayout {
  unsigned bytes;  // of a register
  unsigned last;   // the least limit
  unsigned cr3, ip, flags, gpr, segments, segment_step, segment_count, ldt, trap;
};
constexpr TssLayout kWide{4, 0x67, 28, 32, 36, 40, 72, 4, 6, 96, 100}, kNarrow{2, 0x2b, 0, 14, 16, 18, 34, 2, 4, 42, 0};

const TssLayout& layout_of(unsigned type) { return type & 8 ? kWide : kNarrow; }

struct Image {
  uint32_t cr3 = 0, ip = 0, flags = 0;
  std::array<uint32_t, 8> gpr{};
  std::array<uint16_t, kSelectors> segment{};
  uint16_t ldt = 0;
  bool trap = false;
};

class Switch {
 public:
  Switch(GuestAccess& access, State& state, const TaskEntry& entry) : access_(access), state_(state), entry_(entry) {}

  TaskEntered run() {
    find_tss();
    const Image image = read();
    save_old();
    link();
    load_registers(image);
    try {
      load_ldt(image.ldt);
      load_segments(image);
    } catch (Fault& raised) {
      raised.in_new_task = true;
      throw;
    }
    return {layout().bytes == 4, image.trap};
  }

 private:
  [[noreturn]] void fault(uint8_t vector, uint16_t selector) const {
    throw Fault{vector, (selector & ~3u) | entry_.ext, 0};
  }
  const TssLayout& layout() const { return layout_of(tss_.attributes() & seg::kTypeMask); }
  uint64_t load(unsigned offset, unsigned bytes) { return access_.load(tss_.base() + offset, bytes, false); }

  void find_tss() {
    const uint16_t selector = entry_.selector;
    if ((selector & 4) || (selector & ~3) == 0) fault(kGeneralProtection, selector);
    tss_ = load_descriptor(access_, state_, selector, kGeneralProtection, entry_.ext);
    const unsigned type = tss_.attributes() & (seg::kTypeMask | seg::kSystem);
    if (type != 1 && type != 9) fault(kGeneralProtection, selector);
    if (!tss_.present()) fault(kNotPresent, selector);
    if (tss_.limit() < layout().last) fault(kInvalidTss, selector);
  }

  Image read() {
    const TssLayout& at = layout();
    Image image;
    access_.probe(tss_.base(), at.last + 1, Access::kWrite, false);
    image.ip = static_cast<uint32_t>(load(at.ip, at.bytes));
    image.flags = static_cast<uint32_t>(load(at.flags, at.bytes));
    for (unsigned i = 0; i < 8; ++i) image.gpr[i] = static_cast<uint32_t>(load(at.gpr + i * at.bytes, at.bytes));
    for (unsigned i = 0; i < at.segment_count; ++i)
      image.segment[i] = static_cast<uint16_t>(load(at.segments + i * at.segment_step, 2));
    image.ldt = static_cast<uint16_t>(load(at.ldt, 2));
    if (at.cr3 != 0) image.cr3 = static_cast<uint32_t>(load(at.cr3, 4));
    if (at.trap != 0) image.trap = load(at.trap, 2) & 1;
    return image;
  }

  void save_old() {
    const SegmentRegister old = state_.segment(kTr);
    const TssLayout& at = layout_of(old.attributes & seg::kTypeMask);
    if (old.limit < at.last) fault(kInvalidTss, old.selector);
    access_.probe(old.base, at.last + 1, Access::kWrite, false);
    const auto store = [&](unsigned offset, unsigned bytes, uint64_t value) {
      access_.store(old.base + offset, bytes, value, false);
    };
    store(at.ip, at.bytes, state_.rip());
    store(at.flags, at.bytes, entry_.saved_flags);
    for (unsigned i = 0; i < 8; ++i) store(at.gpr + i * at.bytes, at.bytes, state_.gpr(i));
    for (unsigned i = 0; i < at.segment_count; ++i)
      store(at.segments + i * at.segment_step, 2, state_.segment(i).selector);
  }

  // The back link, the busy bit, TR.
  void link() {
    access_.store(tss_.base(), 2, state_.segment(kTr).selector, false);
    const uint64_t descriptor = state_.gdtr().base + (entry_.selector & ~7u);
    tss_.raw |= uint64_t{kBusy} << 40;
    access_.store(descriptor + 5, 1, tss_.raw >> 40 & 0xff, false);
    state_.set_segment(kTr, tss_.segment(entry_.selector));
    state_.set_cr(0, state_.cr(0) | cr0::kTs);
    state_.set_dr(7, state_.dr(7) & ~(dr7::kLocal));
  }

  void load_registers(const Image& image) {
    const bool wide = layout().bytes == 4;
    if (wide && (state_.cr(0) & cr0::kPg)) state_.set_cr(3, image.cr3);
    constexpr uint64_t kFlags = 0x257fd5 | flag::kFixed;
    state_.set_rflags((image.flags & kFlags) | flag::kNt);
    state_.set_rip(image.ip);
    for (unsigned i = 0; i < 8; ++i) state_.set_gpr(i, wide ? image.gpr[i] : image.gpr[i] | 0xffff0000);
    // Selectors are there even where what they name will not do.
    for (unsigned i = 0; i < kSelectors; ++i) state_.set_segment(i, {image.segment[i], 0, 0, 0});
    state_.set_segment(kLdtr, {image.ldt, 0, 0, 0});
    cpl_ = state_.vm86() ? 3 : image.segment[kCs] & 3;
    state_.set_cpl(cpl_);
  }

  void load_ldt(uint16_t selector) {
    if ((selector & ~3) == 0) return;
    if (selector & 4) fault(kInvalidTss, selector);
    const Descriptor ldt = descriptor(selector);
    if ((ldt.attributes() & (seg::kTypeMask | seg::kSystem)) != 2 || !ldt.present()) fault(kInvalidTss, selector);
    state_.set_segment(kLdtr, ldt.segment(selector));
  }

  Descriptor descriptor(uint16_t selector) {
    return load_descriptor(access_, state_, selector, kInvalidTss, entry_.ext);
  }

  void load_segments(const Image& image) {
    if (state_.vm86()) {
      for (unsigned i = 0; i < kSelectors; ++i)
        state_.set_segment(i, {image.segment[i], uint64_t{image.segment[i]} << 4, 0xffff, 0xf3});
      return state_.set_cpl(3);
    }
    load_code(image.segment[kCs]);
    load_stack(image.segment[kSs]);
    for (const unsigned s : {kEs, kDs, kFs, kGs}) load_data(s, image.segment[s]);
    state_.set_cpl(cpl_);
    if (state_.rip() > state_.segment(kCs).limit) fault(kGeneralProtection, 0);
  }

  void load_code(uint16_t selector) {
    if ((selector & ~3) == 0) fault(kInvalidTss, selector);
    Descriptor code = descriptor(selector);
    const bool conforming = (code.attributes() & seg::kConforming) != 0;
    if (!code.is_code() || (conforming ? code.dpl() > cpl_ : code.dpl() != cpl_)) fault(kInvalidTss, selector);
    if (!code.present()) fault(kNotPresent, selector);
    install(kCs, selector, code);
  }

  void load_stack(uint16_t selector) {
    if ((selector & ~3) == 0) fault(kInvalidTss, selector);
    Descriptor data = descriptor(selector);
    if (!data.is_writable_data() || data.dpl() != cpl_ || (selector & 3u) != cpl_) fault(kInvalidTss, selector);
    if (!data.present()) fault(kStackFault, selector);
    install(kSs, selector, data);
  }

  void load_data(unsigned index, uint16_t selector) {
    if ((selector & ~3) == 0) return;
    Descriptor data = descriptor(selector);
    const uint16_t attributes = data.attributes();
    const bool code = (attributes & seg::kCode) != 0, conforming = code && (attributes & seg::kConforming);
    if (!(attributes & seg::kSystem) || (code && !(attributes & seg::kWritable))) fault(kInvalidTss, selector);
    if (!conforming && data.dpl() < std::max(cpl_, selector & 3u)) fault(kInvalidTss, selector);
    if (!data.present()) fault(kNotPresent, selector);
    install(index, selector, data);
  }

  void install(unsigned index, uint16_t selector, Descriptor& descriptor) {
    mark_accessed(access_, state_, selector, descriptor);
    state_.set_segment(index, descriptor.segment(selector));
  }

  GuestAccess& access_;
  State& state_;
  const TaskEntry& entry_;
  Descriptor tss_;
  unsigned cpl_ = 0;
};

}  // namespace

TaskEntered enter_task(GuestAccess& access, State& state, const TaskEntry& entry) {
  return Switch(access, state, entry).run();
}

}  // namespace xensim::x86
