/* A vCPU's runstate is read by another while the hypervisor writes it (corpus entry B-K2; KVM before commit 5ec3289b31ab). The
 * reader does all that the ABI asks: XEN_RUNSTATE_UPDATE is on, it takes nothing while that bit is set, and tries again where
 * state_entry_time has changed. The area lies over the edge of a page, between the halves of state_entry_time.
 *   1. The hypervisor sets the bit by a store of all 64 bits: the low half, which is new, reaches one page.
 *   2. The reader sees a new low half without the bit, and old times.
 *   3. The hypervisor stores the high half with the bit.
 * A store of the top byte alone leaves nothing to see in between.
 * Expected: "every snapshot was whole". 2 vCPUs. */
#include "xs.h"

static unsigned char pages[2 * XS_PAGE] XS_PAGE_ALIGNED;
#define ENTRY (XS_PAGE - 4)                                            /* of state_entry_time in pages */
#define AREA (ENTRY - offsetof(struct vcpu_runstate_info, state_entry_time))
static evtchn_port_t port; /* vCPU 0 polls it, masked */
static unsigned started, done;

/* As a guest without 64-bit accesses, or whose compiler splits one, reads a word that is not aligned: high half first. */
static uint64_t read64(unsigned at) {
  volatile uint32_t* low = (volatile uint32_t*)(pages + at);
  volatile uint32_t* high = (volatile uint32_t*)(pages + at + 4);
  uint32_t h, l, again;
  do {
    h = XS_LOAD(high);
    l = XS_LOAD(low);
    again = XS_LOAD(high);
  } while (h != again);
  return (uint64_t)h << 32 | l;
}

/* What all times of a snapshot add up to, without the time of the last change: the same in every whole one. */
static int64_t snapshot(void) {
  uint64_t entry, sum;
  do {
    entry = read64(ENTRY);
    sum = 0;
    for (unsigned state = 0; state < 4; state++) sum += read64(ENTRY + 8 + 8 * state);
  } while (entry >> 63 || read64(ENTRY) != entry);
  return (int64_t)(sum - entry);
}

static void reader(unsigned vcpu) {
  (void)vcpu;
  int64_t start = snapshot();
  XS_STORE(&started, 1);
  for (unsigned turn = 0; turn < 3; turn++) {
    int64_t now = snapshot();
    if (now != start) xs_failure("a torn snapshot: its times and state_entry_time are of two moments");
  }
  XS_STORE(&done, 1);
  for (;;) xs_halt();
}

void xs_main(void) {
  if (xs_vcpu_count() < 2) xs_skip("needs two vCPUs");
  xs_events_init();
  XS_CHECK(xs_bind_ipi(0, &port) == 0);
  xs_event_mask(port);
  struct vcpu_register_runstate_memory_area area = {0};
  area.addr.v = (struct vcpu_runstate_info*)(pages + AREA);
  long r = xs_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area);
  if (r) xs_failure("register_runstate_memory_area: %s", xs_result(r));
  if (xs_vm_assist(VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag)) xs_skip("no runstate update flag here");
  xs_start_vcpus(2, reader);
  while (!XS_LOAD(&started)) xs_pause();
  for (unsigned turn = 0; turn < 2; turn++) xs_poll(&port, 1, 1); /* goes to sleep and wakes at once */
  while (!XS_LOAD(&done)) xs_pause();
  xs_printf("every snapshot was whole\n");
  xs_success();
}
