/* 2-level event channels: callback, dispatch, bitmaps. And what is the same on x86 and native: the vCPU's number, its count, printing. */
#include "internal.h"

struct shared_info xs_shared_info XS_PAGE_ALIGNED __attribute__((section(".bss.shared_info")));
/* shared_info takes the whole page from the image; nothing else may share it. */
static unsigned char rest_of_page[XS_PAGE - sizeof(struct shared_info) % XS_PAGE]
    __attribute__((section(".bss.shared_info"), used));

static struct vcpu_info* vcpu_infos[XS_MAX_VCPUS];
static xs_event_handler handlers[EVTCHN_2L_NR_CHANNELS];
void (*xs_upcall)(void) = xs_dispatch_events;

unsigned xs_vcpu(void) {
  uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
  return (unsigned)((sp - 1 - (uintptr_t)xs_stacks) / XS_STACK_BYTES);
}

unsigned xs_vcpu_count(void) {
  unsigned n = 1;
  /* To stop a timer that does not run changes nothing, and fails for a vCPU that does not exist, on Xen and on QEMU. */
  while (n < XS_MAX_VCPUS && xs_stop_periodic(n) == 0) n++;
  return n;
}

void xs_printf(const char* format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  size_t length = xs_vsnprintf(text, sizeof text, format, args);
  va_end(args);
  xs_console_write(text, length < sizeof text ? length : sizeof text - 1);
}

struct vcpu_info* xs_vcpu_info(unsigned vcpu) {
  return vcpu_infos[vcpu] ? vcpu_infos[vcpu] : &xs_shared_info.vcpu_info[vcpu];
}

void xs_set_vcpu_info(unsigned vcpu, struct vcpu_info* info) { vcpu_infos[vcpu] = info; }

void xs_events_init(void) {
  long r = xs_hvm_set_param(HVM_PARAM_CALLBACK_IRQ, 2ull << 56 | XS_UPCALL_VECTOR);
  if (r) xs_error("HVM_PARAM_CALLBACK_IRQ: %s", xs_result(r));
}

void xs_on_event(evtchn_port_t port, xs_event_handler handler) { handlers[port] = handler; }

void xs_on_upcall(void (*handler)(void)) { xs_upcall = handler; }

static void dispatch_word(unsigned word) {
  unsigned long pending = XS_LOAD(&xs_shared_info.evtchn_pending[word]);
  unsigned long masked = XS_LOAD(&xs_shared_info.evtchn_mask[word]);
  pending &= ~masked;
  while (pending) {
    unsigned bit = (unsigned)__builtin_ctzl(pending);
    pending &= pending - 1;
    evtchn_port_t port = word * XS_BITS_PER_LONG + bit;
    int was_pending = xs_event_clear(port);
    if (was_pending && handlers[port]) handlers[port](port);
  }
}

void xs_dispatch_events(void) {
  struct vcpu_info* info = xs_vcpu_info(xs_vcpu());
  do {
    XS_STORE(&info->evtchn_upcall_pending, 0);
    unsigned long words = XS_XCHG(&info->evtchn_pending_sel, 0);
    for (; words; words &= words - 1) dispatch_word((unsigned)__builtin_ctzl(words));
  } while (XS_LOAD(&info->evtchn_upcall_pending));
}

int xs_event_pending(evtchn_port_t port) {
  unsigned long word = XS_LOAD(&xs_shared_info.evtchn_pending[port / XS_BITS_PER_LONG]);
  return word >> port % XS_BITS_PER_LONG & 1;
}

int xs_event_masked(evtchn_port_t port) {
  unsigned long word = XS_LOAD(&xs_shared_info.evtchn_mask[port / XS_BITS_PER_LONG]);
  return word >> port % XS_BITS_PER_LONG & 1;
}

void xs_event_mask(evtchn_port_t port) {
  XS_OR(&xs_shared_info.evtchn_mask[port / XS_BITS_PER_LONG], 1ul << port % XS_BITS_PER_LONG);
}

int xs_event_clear(evtchn_port_t port) { return XS_TEST_AND_CLEAR_BIT(port, xs_shared_info.evtchn_pending); }

void xs_spin_ns(uint64_t ns) {
  uint64_t end = xs_now_ns() + ns;
  while (xs_now_ns() < end) xs_pause();
}
