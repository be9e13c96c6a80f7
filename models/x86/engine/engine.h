// The Unicorn engine behind the software CPU: the handle, the saved contexts, and where each register lies in a
// context.
//
// Unicorn's public API cannot reach all that event delivery needs (CPL, the page-fault error code, hidden segment
// parts), but a uc_context is a copy of the engine's own CPU state. The places in it are found and proven by
// calibration each time an engine is opened; an engine that does not calibrate is refused (kEnvironment).
#pragma once

#include <unicorn/unicorn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "models/base/result.h"
#include "models/x86/engine/code_mappings.h"

namespace xensim::x86 {

// Byte offsets from the start of a uc_context. A segment takes 24 bytes: selector (u32), base (u64 at +8), limit (u32
// at +16), flags (u32 at +20, the descriptor's upper word).
struct EnvLayout {
  size_t regs, rip, rflags, cc_dst, cc_src, cc_op, df, hflags;
  size_t seg, ldtr, tr, gdtr, idtr;
  size_t cr;  // CR0; CR2, CR3, CR4 follow by number
  size_t efer, sysenter_cs, sysenter_esp, sysenter_eip, star, lstar, cstar, fmask, kernel_gs_base, tsc_aux, pat,
      misc_enable;
  size_t error_code, exception_is_int, old_exception;
  size_t dr;
  size_t vm_vmcb, intercept, intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write;
};

// One saved CPU state; owns its uc_context.
class Context {
 public:
  Context() = default;
  explicit Context(uc_engine* uc);

  void save(uc_engine* uc);
  void restore(uc_engine* uc) const;
  void copy_from(const Context& other);
  // One register by its number at the engine's interface (UC_X86_REG_*), with as many bytes as it has.
  void read_register(int id, void* value) const;
  void write_register(int id, const void* value);

  template <class T>
  T get(size_t offset) const {
    T value;
    std::memcpy(&value, bytes() + offset, sizeof value);
    return value;
  }
  template <class T>
  void set(size_t offset, T value) {
    std::memcpy(bytes() + offset, &value, sizeof value);
  }
  const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(context_.get()); }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(context_.get()); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(uc_context* context) const { uc_context_free(context); }
  };
  std::unique_ptr<uc_context, Free> context_;
  size_t size_ = 0;
};

// An open engine in 64-bit mode (which can run every mode), calibrated, with exits switched off: it stops only when a
// hook says so. Not thread-safe.
class Engine {
 public:
  // kEnvironment where the library is another version or lays its state out in another way.
  static Result<std::unique_ptr<Engine>> open();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  uc_engine* get() const { return uc_; }
  // What translated code calls, each nullptr where it is not known.
  struct Functions {
#define XS_ENGINE_FUNCTION(name, symbol) const void* name = nullptr;
#include "models/x86/engine/engine_functions.def"
  };
  static Functions functions();
  const EnvLayout& layout() const { return layout_; }
  // The state of a processor after power-up as far as the FPU and the hidden parts go; the rest is the caller's to set.
  const Context& pristine() const { return pristine_; }

  // Where this engine's code_gen_buffer is; empty: it is not known.
  const CodeMapping& code() const { return code_; }

  // Makes uc_emu_start return, before the next block.
  void stop();
  void flush_tlb();
  void flush_code();
  // Drops translations made from guest-physical [gpa, gpa + bytes), within one page of RAM. Costs a TLB flush.
  void drop_code(uint64_t gpa, uint64_t bytes);
  // Unmaps whole pages of guest-physical memory.
  void unmap(uint64_t gpa, uint64_t bytes);

 private:
  explicit Engine(uc_engine* uc) : uc_(uc) {}

  uc_engine* uc_;
  EnvLayout layout_{};
  CodeMapping code_;
  Context pristine_;
  Context scratch_;
};

// Physical address of the page that holds the engine's MSR-intercept bitmap: beyond the 40 bits that a guest can
// address.
inline constexpr uint64_t kInterceptPage = uint64_t{1} << 45;

}  // namespace xensim::x86
