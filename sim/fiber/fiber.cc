// See fiber.h.
#include "sim/fiber/fiber.h"

#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "models/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define XS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define XS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define XS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define XS_TSAN 1
#endif
#endif

#ifdef XS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef XS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace xensim::sim {

namespace {

constexpr size_t kGuard = 4096;  // below each stack: a page of the host's

}  // namespace

extern "C" {
void xensim_switch_stack(void** from, void* to);
void xensim_begin_stack();
}

namespace {

// Who resumed a fiber and waits, on that one's stack: for the fiber itself, or whichever took its place.
struct Resumer {
  void* context = nullptr;  // where it goes on
  std::exception_ptr failure;
#ifdef XS_ASAN
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
#endif
#ifdef XS_TSAN
  void* tsan_fiber = nullptr;
#endif
};

}  // namespace

struct Fiber::Impl {
  std::span<std::byte> stack;
  bool owns_stack = false;
  void* context = nullptr;  // where the fiber goes on: its stack pointer
  Resumer* resumer = nullptr;
  Function function = nullptr;
  void* argument = nullptr;
  Fiber* self = nullptr;
#ifdef XS_ASAN
  void* fake_stack = nullptr;
  bool switched_to = false;  // this time, by another fiber

  // Arrived on this stack: notes the resumer's, if it was that which came here.
  void arrive(void* saved_fake_stack) {
    if (std::exchange(switched_to, false)) {
      __sanitizer_finish_switch_fiber(saved_fake_stack, nullptr, nullptr);
    } else {
      __sanitizer_finish_switch_fiber(saved_fake_stack, &resumer->bottom, &resumer->size);
    }
  }
#endif
#ifdef XS_TSAN
  void* tsan_fiber = nullptr;
#endif

  static void entry(Impl* impl);
  void enter(Resumer& from);
  void leave(bool for_ever);
  void change_to(Impl& other);
};

// The page below the stack stays without access: a function that goes too deep faults there, and writes nowhere else.
Fiber::Fiber(size_t stack_bytes) : impl_(std::make_unique<Impl>()) {
  const size_t bytes = (stack_bytes + kGuard - 1) / kGuard * kGuard;
  void* memory = mmap(nullptr, kGuard + bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  std::byte* const stack = static_cast<std::byte*>(memory) + kGuard;
  if (mprotect(stack, bytes, PROT_READ | PROT_WRITE) != 0) {
    munmap(memory, kGuard + bytes);
    throw std::bad_alloc();
  }
  impl_->stack = {stack, bytes};
  impl_->owns_stack = true;
  impl_->self = this;
}

Fiber::Fiber(std::span<std::byte> stack) : impl_(std::make_unique<Impl>()) {
  impl_->stack = stack;
  impl_->self = this;
}

Fiber::~Fiber() {
#ifdef XS_TSAN
  if (impl_->tsan_fiber) __tsan_destroy_fiber(impl_->tsan_fiber);
#endif
#ifdef XS_ASAN
  __asan_unpoison_memory_region(impl_->stack.data(), impl_->stack.size());
#endif
  if (impl_->owns_stack) munmap(impl_->stack.data() - kGuard, kGuard + impl_->stack.size());
}

void Fiber::start(Function function, void* argument) {
#ifdef XS_ASAN
  // An abandoned run leaves poisoned frames behind.
  __asan_unpoison_memory_region(impl_->stack.data(), impl_->stack.size());
  impl_->fake_stack = nullptr;
#endif
  impl_->function = function;
  impl_->argument = argument;
  // As xensim_switch_stack leaves a stack: r15, r14, r13, r12, rbx, rbp, where to go on, and a word for alignment.
  const std::array<uint64_t, 8> frame = {0,
                                         0,
                                         0,
                                         reinterpret_cast<uint64_t>(impl_.get()),
                                         reinterpret_cast<uint64_t>(&Impl::entry),
                                         0,
                                         reinterpret_cast<uint64_t>(&xensim_begin_stack),
                                         0};
  std::byte* const end = impl_->stack.data() + impl_->stack.size();
  std::byte* const at = end - reinterpret_cast<uintptr_t>(end) % 16 - sizeof frame;
  std::memcpy(at, frame.data(), sizeof frame);
  impl_->context = at;
  active_ = true;
}

void Fiber::Impl::entry(Impl* impl) {
#ifdef XS_ASAN
  impl->arrive(nullptr);
#endif
  try {
    impl->function(impl->argument);
  } catch (...) {
    impl->resumer->failure = std::current_exception();
  }
  impl->self->active_ = false;
  impl->leave(true);
}

void Fiber::Impl::enter(Resumer& from) {
  resumer = &from;
#ifdef XS_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, stack.data(), stack.size());
#endif
#ifdef XS_TSAN
  if (!tsan_fiber) tsan_fiber = __tsan_create_fiber(0);
  from.tsan_fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_fiber, 0);
#endif
  xensim_switch_stack(&from.context, context);
#ifdef XS_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void Fiber::Impl::leave([[maybe_unused]] bool for_ever) {
#ifdef XS_ASAN
  __sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_stack, resumer->bottom, resumer->size);
#endif
#ifdef XS_TSAN
  __tsan_switch_to_fiber(resumer->tsan_fiber, 0);
#endif
  xensim_switch_stack(&context, resumer->context);
#ifdef XS_ASAN
  arrive(fake_stack);
#endif
}

void Fiber::Impl::change_to(Impl& other) {
  other.resumer = resumer;
#ifdef XS_ASAN
  other.switched_to = true;
  __sanitizer_start_switch_fiber(&fake_stack, other.stack.data(), other.stack.size());
#endif
#ifdef XS_TSAN
  if (!other.tsan_fiber) other.tsan_fiber = __tsan_create_fiber(0);
  __tsan_switch_to_fiber(other.tsan_fiber, 0);
#endif
  xensim_switch_stack(&context, other.context);
#ifdef XS_ASAN
  arrive(fake_stack);
#endif
}

std::span<std::byte> Fiber::stack() const { return impl_->stack; }

void Fiber::resume() {
  XS_CHECK(active_);
  Resumer here;
  impl_->enter(here);
  if (here.failure) std::rethrow_exception(std::move(here.failure));
}

void Fiber::yield() { impl_->leave(false); }

void Fiber::switch_to(Fiber& other) { impl_->change_to(*other.impl_); }

void Fiber::fail(std::exception_ptr failure) {
  impl_->resumer->failure = std::move(failure);
  active_ = false;
  for (;;) impl_->leave(true);
}

}  // namespace xensim::sim
