/* Code that somebody else changes: functions of a few bytes whose constant is written by a hypercall, an event, a copy or a
 * backend, or whose page another frame takes the place of. Each is called before and after, and gives what its bytes say now.
 * Expected: as the bytes say, everywhere. Calls that an implementation lacks are said. 1 vCPU, 64 MiB, interrupts off. */
#include "grant.h"

#define MOV_EAX 0xb8 /* mov $imm32, %eax */
#define RET 0xc3
#define SCRATCH 0x3000000ul /* RAM that nobody uses, 2 MiB of it made executable */
#define STORE_ROUNDS 20u    /* of 64 bytes: more than the 1,024 of a ring */

static unsigned char code_page[XS_PAGE] XS_PAGE_ALIGNED, other_page[XS_PAGE] XS_PAGE_ALIGNED;

static unsigned call(const volatile void* at) { return ((unsigned (*)(void))(uintptr_t)at)(); }
static void put(unsigned char* at, uint32_t value) {
  at[0] = MOV_EAX;
  memcpy(at + 1, &value, sizeof value);
  at[5] = RET;
}
/* ---- written by the hypervisor as a call's result ---- */

/* The port of evtchn_bind_ipi {vcpu, port} is part of a constant: of MOVABS its upper half, or that of a MOV to memory whose
 * displacement is the vCPU, 0. */
static void bind_result(void) {
  struct evtchn_bind_ipi* op = (void*)(code_page + 16);
#ifdef __x86_64__
  static const unsigned char before[2] = {0x48, MOV_EAX};       /* movabs $port << 32 | vcpu, %rax */
  static const unsigned char after[] = {0x48, 0xc1, 0xe8, 32, RET}; /* shr $32, %rax */
#else
  static const unsigned char before[2] = {0xc7, 0x80}; /* movl $port, vcpu(%eax) */
  static const unsigned char after[] = {RET};
#endif
  unsigned same = 0;
  memcpy(code_page + 14, before, sizeof before);
  memcpy(code_page + 16 + sizeof *op, after, sizeof after);
  op->vcpu = 0; /* and the guest stores nothing there from now on */
  for (unsigned i = 0; i < 4; i++) {
    long r = xs_evtchn_op(EVTCHNOP_bind_ipi, op);
    uintptr_t got;
#ifdef __x86_64__
    __asm__ volatile("call *%1" : "=a"(got) : "r"(code_page + 14) : "memory");
#else
    __asm__ volatile("call *%1" : : "a"(&got), "r"(code_page + 14) : "memory");
#endif
    if (r == 0 && op->port != 0 && got == op->port) same++;
  }
  xs_printf("bind_ipi's port as a constant: %u of 4 times\n", same);
}

/* ---- written by an event ---- */

/* A vcpu_info whose words are constants: of 16 bits, evtchn_upcall_pending; of 32, evtchn_pending_sel. */
static void events(void) {
  unsigned char* area = code_page + 0x400;
  struct vcpu_info* info = (void*)area;
  size_t sel = offsetof(struct vcpu_info, evtchn_pending_sel);
  struct vcpu_register_vcpu_info op = {.mfn = xs_gfn(code_page), .offset = 0x400};
  evtchn_port_t port = 0;
  SHOW_AS(xs_vcpu_op(VCPUOP_register_vcpu_info, 0, &op), "register_vcpu_info");
  xs_set_vcpu_info(0, info);
  xs_bind_ipi(0, &port);
  for (unsigned round = 0; round < 3; round++) {
    memset(area, 0, 16);
    area[-2] = 0x66, area[-1] = MOV_EAX, area[2] = RET; /* mov $imm16, %ax */
    area[sel - 1] = MOV_EAX, area[sel + 4] = RET;
    xs_printf("pending %u, selector 0x%x", call(area - 2) & 0xffff, call(area + sel - 1));
    xs_event_clear(port);
    long r = xs_send(port);
    xs_printf("; send: %s, pending %u, selector's bit %u\n", xs_result(r), call(area - 2) & 0xffff, call(area + sel - 1) >> (port / (8 * sizeof(long))) & 1);
  }
  memset(area - 2, 0, 32);
  xs_event_clear(port);
}

/* ---- written by GNTTABOP_copy ---- */

static void copies(void) {
  put(code_page + 0x800, 1);
  xs_printf("before a copy: %u\n", call(code_page + 0x800));
  for (uint32_t value = 2; value < 4; value++) {
    put(other_page, value);
    struct gnttab_copy op = {.source = by_gfn(DOMID_SELF, xs_gfn(other_page), 0), .dest = by_gfn(DOMID_SELF, xs_gfn(code_page), 0x800), .len = 6};
    long r = xs_grant_table_op(GNTTABOP_copy, &op, 1);
    xs_printf("copied: %s, %s\n", xs_result(r), call(code_page + 0x800) == (r || op.status ? 1 : value) ? "as the bytes say" : "old code");
  }
}

/* ---- another frame ---- */

static unsigned char* scratch(unsigned page) { return (unsigned char*)(SCRATCH + page * XS_PAGE); }
static long add(unsigned space, unsigned long index, unsigned char* at) {
  struct xen_add_to_physmap op = {.domid = DOMID_SELF, .space = space, .idx = index, .gpfn = xs_gfn(at)};
  return xs_memory_op(XENMEM_add_to_physmap, &op);
}
static long reserve(unsigned cmd, unsigned char* at) {
  xen_pfn_t gfn = xs_gfn(at);
  struct xen_memory_reservation op = {.nr_extents = 1, .domid = DOMID_SELF};
  set_xen_guest_handle(op.extent_start, &gfn);
  return xs_memory_op(cmd, &op);
}

static void moved(void) {
  for (unsigned i = 0; i < 3; i++) put(scratch(i), 10 + i);
  xs_printf("three pages: %u %u %u\n", call(scratch(0)), call(scratch(1)), call(scratch(2)));
  long r = add(XENMAPSPACE_gmfn, xs_gfn(scratch(1)), scratch(0));
  xs_printf("the second moved over the first: %s", xs_result(r));
  xs_printf(", %s\n", call(scratch(0)) == (r ? 10 : 11) ? "as the bytes say" : "old code");
  r = add(XENMAPSPACE_grant_table, 0, scratch(2));
  xs_printf("the grant table over the third: %s", xs_result(r));
  if (r == 0) {
    put(scratch(2) + 0x800, 20); /* behind the entries that the kit and the toolstack use */
    put(scratch(3) + 0x800, 21);
    xs_printf(", %u %u", call(scratch(2) + 0x800), call(scratch(3) + 0x800));
    r = add(XENMAPSPACE_grant_table, 0, scratch(3));
    xs_printf("; over another: %s, %u", xs_result(r), call(scratch(3) + 0x800));
    memset(scratch(3) + 0x800, 0, 8);
  }
  xs_printf("\n");
}

static void renewed(void) {
  unsigned char* at = scratch(16);
  put(at, 30);
  xs_printf("a page: %u\n", call(at));
  long r = reserve(XENMEM_decrease_reservation, at);
  xs_printf("given back: %s", xs_result(r));
  if (r == 1) {
    xs_printf(", taken anew: %s", xs_result(reserve(XENMEM_populate_physmap, at)));
    put(at, 31);
    xs_printf(", %u", call(at));
  }
  xs_printf("\n");
  static struct xen_memory_exchange swap;
  static xen_pfn_t in, out;
  put(at, 32);
  unsigned before = call(at);
  in = out = xs_gfn(at);
  swap.in.nr_extents = swap.out.nr_extents = 1;
  swap.in.domid = swap.out.domid = DOMID_SELF;
  set_xen_guest_handle(swap.in.extent_start, &in);
  set_xen_guest_handle(swap.out.extent_start, &out);
  r = xs_memory_op(XENMEM_exchange, &swap);
  xs_printf("exchanged: %s, %u", xs_result(r), before);
  if (r == 0) put(at, 33);
  xs_printf(", %s\n", call(at) == (r ? 32 : 33) ? "as the bytes say" : "old code");
}

/* ---- written by a backend: xenstore's answers, in its ring ---- */

struct store_ring { /* io/xs_wire.h, struct xenstore_domain_interface */
  char request[1024];
  char response[1024];
  volatile uint32_t request_cons, request_prod, response_cons, response_prod;
};
struct store_message { uint32_t type, request, transaction, length; };
#define STORE_READ 2u
#define STORE_WRITE 11u

static struct store_ring* store;
static evtchn_port_t store_port;

static void send_bytes(const void* bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) store->request[(store->request_prod + i) % 1024] = ((const char*)bytes)[i];
  __asm__ volatile("" ::: "memory");
  store->request_prod += count;
}
/* Sends one request and takes its answer: where its payload begins in the ring, and how long that is. */
static uint32_t ask(uint32_t type, const char* path, const void* value, uint32_t bytes, uint32_t* length) {
  struct store_message message = {.type = type, .length = (uint32_t)strlen(path) + 1 + bytes};
  uint32_t at = store->response_cons;
  send_bytes(&message, sizeof message);
  send_bytes(path, (uint32_t)strlen(path) + 1);
  send_bytes(value, bytes);
  xs_send(store_port);
  while (store->response_prod - at < sizeof message) xs_poll(&store_port, 1, xs_now_ns() + XS_MS);
  for (uint32_t i = 0; i < sizeof message; i++) ((char*)&message)[i] = store->response[(at + i) % 1024];
  while (store->response_prod - at < sizeof message + message.length) xs_poll(&store_port, 1, xs_now_ns() + XS_MS);
  store->response_cons = at + (uint32_t)sizeof message + message.length;
  xs_event_clear(store_port);
  *length = message.length;
  return at + (uint32_t)sizeof message;
}

/* An answer of "OK" is 19 bytes and one of 29 bytes is 45: each round takes 64, so its code lies where it lay 16 rounds before. */
static void backend(void) {
  struct xen_hvm_param page = {.domid = DOMID_SELF, .index = HVM_PARAM_STORE_PFN}, port = {.domid = DOMID_SELF, .index = HVM_PARAM_STORE_EVTCHN};
  static unsigned char value[29];
  unsigned same = 0;
  if (xs_hvm_op(HVMOP_get_param, &page) || xs_hvm_op(HVMOP_get_param, &port) || page.value == 0) {
    xs_printf("no xenstore\n");
    return;
  }
  store = (void*)(uintptr_t)(page.value << 12);
  store_port = (evtchn_port_t)port.value;
  xs_make_executable(store);
  for (uint32_t round = 0; round < STORE_ROUNDS; round++) {
    uint32_t length;
    memset(value, 0x90, sizeof value);
    put(value, 1000 + round);
    ask(STORE_WRITE, "data/code", value, sizeof value, &length);
    uint32_t at = ask(STORE_READ, "data/code", "", 0, &length) % 1024;
    if (length == sizeof value && at <= 1024 - 6 && call(store->response + at) == 1000 + round) same++;
  }
  xs_printf("code in xenstore's ring: %u of %u times\n", same, STORE_ROUNDS);
}

/* ---- a queue's head of the FIFO ABI; from here on events are its ---- */

static volatile uint32_t event_words[XS_PAGE / 4] XS_PAGE_ALIGNED;

static void queues(void) {
  unsigned char* block = code_page + 0xc00;
  volatile uint32_t* head = (void*)(block + offsetof(struct evtchn_fifo_control_block, head[EVTCHN_FIFO_PRIORITY_DEFAULT]));
  unsigned char* code = (unsigned char*)head - 1;
  struct evtchn_init_control control = {.control_gfn = xs_gfn(code_page), .offset = 0xc00, .vcpu = 0};
  struct evtchn_expand_array array = {.array_gfn = xs_gfn(event_words)};
  memset(block, 0, sizeof(struct evtchn_fifo_control_block));
  long r = xs_evtchn_op(EVTCHNOP_init_control, &control);
  xs_printf("init_control: %s\n", xs_result(r));
  if (r) return;
  SHOW_AS(xs_evtchn_op(EVTCHNOP_expand_array, &array), "expand_array");
  for (unsigned round = 0; round < 3; round++) {
    evtchn_port_t port = 0;
    xs_bind_ipi(0, &port);
    code[0] = MOV_EAX, code[5] = RET;
    *head = 0;
    event_words[port] = 0;
    unsigned before = call(code);
    r = xs_send(port);
    xs_printf("head %u; send: %s, head %s\n", before, xs_result(r), call(code) == port ? "the port" : "another");
    event_words[port] = 0;
  }
}

void xs_main(void) {
  xs_make_executable(code_page);
  xs_make_executable((void*)SCRATCH);
  bind_result();
  events();
  copies();
  moved();
  renewed();
  backend();
  queues();
  xs_success();
}
