// The engine's own processor state, as translated code has it, without a copy: for the few words that an instruction
// served in the middle of a block needs. A uc_context is a copy of it, so that EnvLayout's offsets hold for both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "models/x86/arch.h"
#include "models/x86/engine/engine.h"
#include "models/x86/fast/safe_read.h"
#include "models/x86/state.h"

namespace xensim::x86 {

class LiveState {
 public:
  // `env` as the engine hands it to its functions. The general registers are the first in it.
  LiveState(std::byte* env, const EnvLayout& layout) : base_(env - layout.regs), at_(layout) {}

  uint64_t gpr(unsigned index) const { return get<uint64_t>(at_.regs + 8 * index); }
  void set_gpr(unsigned index, uint64_t value) { std::memcpy(base_ + at_.regs + 8 * index, &value, sizeof value); }
  uint64_t rip() const { return get<uint64_t>(at_.rip); }
  void set_rip(uint64_t value) { std::memcpy(base_ + at_.rip, &value, sizeof value); }
  uint64_t cr(unsigned number) const { return get<uint64_t>(at_.cr + 8 * number); }
  uint64_t efer() const { return get<uint64_t>(at_.efer); }
  uint64_t tsc_aux() const { return get<uint64_t>(at_.tsc_aux); }
  bool interrupts_on() const { return (get<uint64_t>(at_.rflags) & flag::kIf) != 0; }
  bool single_steps() const { return (get<uint64_t>(at_.rflags) & flag::kTf) != 0; }
  unsigned cpl() const { return hflags() & 3; }
  bool shadow() const { return (hflags() & State::kInhibit) != 0; }
  bool long_mode() const { return (efer() & efer::kLma) != 0; }
  bool code64() const { return (hflags() & State::kCs64) != 0; }
  uint64_t linear_rip() const {
    return code64() ? rip() : (get<uint64_t>(at_.seg + 24 * kCs + 8) + rip()) & 0xffffffff;
  }
  // Is this what `context`, which was taken just now, is a copy of? The state need not be one.
  bool is_of(const Context& context) const {
    std::vector<std::byte> here(context.size() - at_.regs);
    return safe_read(reinterpret_cast<uintptr_t>(base_ + at_.regs), here.data(), here.size()) &&
           std::memcmp(here.data(), context.bytes() + at_.regs, here.size()) == 0;
  }

 private:
  uint32_t hflags() const { return get<uint32_t>(at_.hflags); }
  template <class T>
  T get(size_t offset) const {
    T value;
    std::memcpy(&value, base_ + offset, sizeof value);
    return value;
  }

  std::byte* base_;
  const EnvLayout& at_;
};

}  // namespace xensim::x86
