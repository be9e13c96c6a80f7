/* What a toolstack gives its guest: prints a line on every console there is and reads its name from xenstore, by the rings that the
 * HVM parameters name. It waits as XTF does, by SCHEDOP_yield, or for xenstore with POLLS by SCHEDOP_poll. Of use to tests of xensim's defaults alone. ELF only. */
#include "xs.h"

#include <xen/arch-x86/hvm/start_info.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

static void outb(unsigned short port, unsigned char byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }

static void print_on_port(unsigned short port, const char* text) {
  while (*text) outb(port, (unsigned char)*text++);
}

static uint64_t param(uint32_t index) {
  uint64_t value = 0;
  long r = xs_hvm_get_param(index, &value);
  if (r) xs_error("parameter %u: %s", index, xs_result(r));
  return value;
}

static void* page_of(uint32_t index) {
  uint64_t gfn = param(index);
  if (gfn == 0) xs_skip("no ring: parameter %u is 0", index);
  return (void*)(uintptr_t)(gfn << 12);
}

static void print_on_ring(const char* text) {
  struct xencons_interface* ring = page_of(HVM_PARAM_CONSOLE_PFN);
  XENCONS_RING_IDX prod = ring->out_prod;
  for (; *text; text++) ring->out[MASK_XENCONS_IDX(prod++, ring->out)] = *text;
  XS_STORE(&ring->out_prod, prod);
  xs_send((evtchn_port_t)param(HVM_PARAM_CONSOLE_EVTCHN));
  while (XS_LOAD(&ring->out_cons) != prod) xs_sched_op(SCHEDOP_yield, 0);
}

static void read_name(void) {
  struct xenstore_domain_interface* ring = page_of(HVM_PARAM_STORE_PFN);
  static const char path[] = "name";
  struct xsd_sockmsg head = {XS_READ, 7, 0, sizeof path};
  char request[sizeof head + sizeof path], reply[256];
  memcpy(request, &head, sizeof head);
  memcpy(request + sizeof head, path, sizeof path);
  XENSTORE_RING_IDX prod = ring->req_prod, cons = ring->rsp_cons;
  for (unsigned i = 0; i < sizeof request; i++) ring->req[MASK_XENSTORE_IDX(prod++)] = request[i];
  XS_STORE(&ring->req_prod, prod);
  evtchn_port_t port = (evtchn_port_t)param(HVM_PARAM_STORE_EVTCHN);
  xs_send(port);
#ifdef POLLS
  while (XS_LOAD(&ring->rsp_prod) - cons < sizeof head) xs_poll(&port, 1, 0);
#else
  while (XS_LOAD(&ring->rsp_prod) - cons < sizeof head) xs_sched_op(SCHEDOP_yield, 0);
#endif
  XENSTORE_RING_IDX end = XS_LOAD(&ring->rsp_prod);
  unsigned bytes = 0;
  while (cons != end && bytes < sizeof reply - 1) reply[bytes++] = ring->rsp[MASK_XENSTORE_IDX(cons++)];
  XS_STORE(&ring->rsp_cons, cons);
  reply[bytes] = 0;
  memcpy(&head, reply, sizeof head);
  if (head.type != XS_READ || head.req_id != 7) xs_failure("xenstore answers type %u of %u", head.type, head.req_id);
  xs_printf("my name is %s\n", reply + sizeof head);
}

void xs_main(void) {
  const struct hvm_start_info* info = (const void*)(uintptr_t)xs_start_info;
  xs_printf("port 0xe9; ACPI: %s; modules: %u\n", info->rsdp_paddr ? "yes" : "no", info->nr_modules);
  print_on_port(0x12, "port 0x12\r\n");
  print_on_port(0x3f8, "8250\r\n");
  print_on_ring("PV console\r\n");
  read_name();
  xs_success();
}
