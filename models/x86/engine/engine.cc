#include "models/x86/engine/engine.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

#include "models/base/check.h"
#include "models/x86/engine/calibration.h"
#include "models/x86/engine/engine_clock.h"
#include "models/x86/engine/must.h"
#include "models/x86/engine/version.h"

namespace xensim::x86 {
namespace {

// Versions from 2.1.4 on are tried (calibration decides); older ones translate addresses wrongly or miss hooks.
constexpr bool version_will_do(unsigned version) {
  return version >> 24 == 2 && (version >> 16 & 0xff) == 1 && (version >> 8 & 0xff) >= 4;
}

// The control block's field that holds the MSR bitmap's address (AMD APM vol. 2, appendix B).
constexpr size_t kMsrBitmapField = 0x48;
constexpr size_t kMsrBitmapBytes = 0x2000;

// All MSR accesses are to be intercepted: every bit of the bitmap is set.
bool map_intercept_page(uc_engine* uc) {
  if (uc_mem_map(uc, kInterceptPage, 0x1000 + kMsrBitmapBytes, UC_PROT_READ) != UC_ERR_OK) return false;
  const uint64_t bitmap = kInterceptPage + 0x1000;
  const std::array<std::byte, 0x1000> ones = [] {
    std::array<std::byte, 0x1000> bytes{};
    bytes.fill(std::byte{0xff});
    return bytes;
  }();
  bool ok = uc_mem_write(uc, kInterceptPage + kMsrBitmapField, &bitmap, sizeof bitmap) == UC_ERR_OK;
  for (size_t at = 0; at < kMsrBitmapBytes; at += ones.size())
    ok = ok && uc_mem_write(uc, bitmap + at, ones.data(), ones.size()) == UC_ERR_OK;
  return ok;
}

Result<uc_engine*> open_raw() {
  uc_engine* uc = nullptr;
  if (const uc_err err = uc_open(UC_ARCH_X86, UC_MODE_64, &uc); err != UC_ERR_OK)
    return environment_error(fmt::format("Unicorn cannot open an x86 engine: {}", uc_strerror(err)));
  if (uc_ctl_set_cpu_model(uc, UC_CPU_X86_SKYLAKE_CLIENT) != UC_ERR_OK || uc_ctl_exits_enable(uc) != UC_ERR_OK ||
      !map_intercept_page(uc)) {
    uc_close(uc);
    return environment_error("Unicorn refuses the processor model or the intercept page that xensim needs");
  }
  return uc;
}

// FPU and SSE control words after reset (SDM vol. 3, table 10-1).
void reset_fpu(uc_engine* uc) {
  const uint16_t control = 0x037f, tag = 0xffff;
  const uint32_t mxcsr = 0x1f80;
  must(uc_reg_write(uc, UC_X86_REG_FPCW, &control));
  must(uc_reg_write(uc, UC_X86_REG_FPTAG, &tag));
  must(uc_reg_write(uc, UC_X86_REG_MXCSR, &mxcsr));
}

}  // namespace

Context::Context(uc_engine* uc) : size_(uc_context_size(uc)) {
  uc_context* context = nullptr;
  XS_CHECK(uc_context_alloc(uc, &context) == UC_ERR_OK);
  context_.reset(context);
  save(uc);
}

void Context::save(uc_engine* uc) { XS_CHECK(uc_context_save(uc, context_.get()) == UC_ERR_OK); }

void Context::restore(uc_engine* uc) const { XS_CHECK(uc_context_restore(uc, context_.get()) == UC_ERR_OK); }

void Context::read_register(int id, void* value) const {
  XS_CHECK(uc_context_reg_read(context_.get(), id, value) == UC_ERR_OK);
}

void Context::write_register(int id, const void* value) {
  XS_CHECK(uc_context_reg_write(context_.get(), id, value) == UC_ERR_OK);
}

void Context::copy_from(const Context& other) { std::memcpy(bytes(), other.bytes(), size_); }

Result<std::unique_ptr<Engine>> Engine::open() {
  if (const unsigned version = uc_version(nullptr, nullptr); !version_will_do(version))
    return environment_error(fmt::format("Unicorn {}.{}.{} is loaded; xensim needs 2.1.4 or a later 2.1", version >> 24,
                                         version >> 16 & 0xff, version >> 8 & 0xff));
  XS_TRY_STATUS(check_engine_clock());
  // One engine is spent on calibration, so that nothing it did is left in the one that runs guests.
  XS_TRY(uc_engine * probe, open_raw());
  auto layout = calibrate(probe);
  uc_close(probe);
  if (!layout) return tl::unexpected<Error>(std::move(layout.error()));

  const auto before = code_mappings();
  XS_TRY(uc_engine * raw, open_raw());
  std::unique_ptr<Engine> engine(new Engine(raw));
  engine->layout_ = *layout;
  reset_fpu(raw);
  engine->pristine_ = Context(raw);
  engine->scratch_ = Context(raw);
  engine->code_ = new_mapping(before, code_mappings());
  return engine;
}

Engine::~Engine() {
  pristine_ = Context();
  scratch_ = Context();
  uc_close(uc_);
}

Engine::Functions Engine::functions() {
  Functions found;
#define XS_ENGINE_FUNCTION(name, symbol) found.name = dlsym(RTLD_DEFAULT, #symbol);
#include "models/x86/engine/engine_functions.def"
  return found;
}

void Engine::stop() { XS_CHECK(uc_emu_stop(uc_) == UC_ERR_OK); }

void Engine::flush_tlb() { XS_CHECK(uc_ctl_flush_tlb(uc_) == UC_ERR_OK); }
// The engine drops code by virtual address only: give it, for that moment, a state in which the two are the same
// (64-bit mode without paging, which is what a fresh engine has).
void Engine::drop_code(uint64_t gpa, uint64_t bytes) {
  scratch_.save(uc_);
  pristine_.restore(uc_);
  flush_tlb();
  XS_CHECK(uc_ctl_remove_cache(uc_, gpa, gpa + bytes) == UC_ERR_OK);
  scratch_.restore(uc_);
  flush_tlb();
}

// TranslationBlocks are found by ram_addr, which the next RAM that is mapped gets anew: those made from what goes must
// go too. uc_mem_unmap drops them by virtual address, as above; and where the address has no translation, the fault
// that it meets would be delivered to the guest when it runs next.
void Engine::unmap(uint64_t gpa, uint64_t bytes) {
  scratch_.save(uc_);
  pristine_.restore(uc_);
  flush_tlb();
  XS_CHECK(uc_mem_unmap(uc_, gpa, bytes) == UC_ERR_OK);
  scratch_.restore(uc_);
  flush_tlb();
}

void Engine::flush_code() { XS_CHECK(uc_ctl_flush_tb(uc_) == UC_ERR_OK); }

std::string engine_version() {
  const unsigned version = uc_version(nullptr, nullptr);
  return fmt::format("unicorn {}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
}

}  // namespace xensim::x86
