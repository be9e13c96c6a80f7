/* FIFO event channels: EVTCHNOP_init_control, expand_array, set_priority, and what every other operation does to event words and
 * control blocks. Ports are shown by letters. 2 vCPUs, of which the second never runs. */
#include "probe.h"

#define PAGES 2u
#define P (1u << EVTCHN_FIFO_PENDING)
#define M (1u << EVTCHN_FIFO_MASKED)
#define L (1u << EVTCHN_FIFO_LINKED)
#define B (1u << EVTCHN_FIFO_BUSY)

static event_word_t words[PAGES][1024] XS_PAGE_ALIGNED;
static struct evtchn_fifo_control_block blocks[2][XS_PAGE / sizeof(struct evtchn_fifo_control_block)] XS_PAGE_ALIGNED;
static evtchn_port_t ports[8]; /* a to h */

#define CONTROL(v) ((struct evtchn_fifo_control_block*)((char*)blocks + 512 * (v)))
#define WORD(port) (&words[(port) / 1024][(port) % 1024])

static long init_control_at(unsigned vcpu, uint64_t gfn, unsigned offset, unsigned* link_bits) {
  struct evtchn_init_control op = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu, .link_bits = 99};
  long r = xs_evtchn_op(EVTCHNOP_init_control, &op);
  *link_bits = op.link_bits;
  return r;
}
static long init_control(unsigned vcpu) {
  unsigned bits;
  return init_control_at(vcpu, xs_gfn(CONTROL(vcpu)), (unsigned)(xs_gpa(CONTROL(vcpu)) % XS_PAGE), &bits);
}
static long expand(uint64_t gfn) {
  struct evtchn_expand_array op = {.array_gfn = gfn};
  return xs_evtchn_op(EVTCHNOP_expand_array, &op);
}
static long priority(evtchn_port_t port, unsigned value) {
  struct evtchn_set_priority op = {.port = port, .priority = value};
  return xs_evtchn_op(EVTCHNOP_set_priority, &op);
}

static char letter(evtchn_port_t port) {
  for (unsigned i = 0; i < 8; i++)
    if (ports[i] == port && port) return (char)('a' + i);
  return port ? '?' : '0';
}
static void show_word(unsigned i) {
  event_word_t w = XS_LOAD(WORD(ports[i]));
  xs_printf("  %c: %c%c%c%c link %c\n", 'a' + i, w & P ? 'P' : '-', w & M ? 'M' : '-', w & L ? 'L' : '-', w & B ? 'B' : '-',
            letter(w & EVTCHN_FIFO_LINK_MASK));
}
static void show_words(unsigned first, unsigned last) {
  for (unsigned i = first; i <= last; i++) show_word(i);
}
static void show_block(unsigned vcpu) {
  uint32_t ready = XS_LOAD(&CONTROL(vcpu)->ready);
  unsigned upcall = XS_LOAD(&xs_vcpu_info(vcpu)->evtchn_upcall_pending);
  unsigned long selector = XS_LOAD(&xs_vcpu_info(vcpu)->evtchn_pending_sel);
  xs_printf("  vCPU %u: ready 0x%x, upcall %u, selector %lx\n", vcpu, ready, upcall, selector);
  for (unsigned q = 0; q < 16; q++) {
    uint32_t head = XS_LOAD(&CONTROL(vcpu)->head[q]);
    if (head) xs_printf("  vCPU %u: head %u is %c\n", vcpu, q, letter(head));
  }
}
/* The guest's side: empties the queues of a vCPU and names what was handled. */
static void handle(unsigned vcpu) {
  struct evtchn_fifo_control_block* control = CONTROL(vcpu);
  char text[17];
  unsigned n = 0;
  XS_STORE(&xs_vcpu_info(vcpu)->evtchn_upcall_pending, 0);
  uint32_t ready = XS_XCHG(&control->ready, 0);
  for (unsigned q = 0; q < 16; q++) {
    if (!(ready >> q & 1)) continue;
    for (evtchn_port_t port = XS_LOAD(&control->head[q]); port && n < 16;) {
      event_word_t w = XS_LOAD(WORD(port));
      XS_STORE(WORD(port), w & ~(L | EVTCHN_FIFO_LINK_MASK));
      if ((w & P) && !(w & M)) {
        XS_AND(WORD(port), ~P);
        text[n++] = letter(port);
      }
      port = w & EVTCHN_FIFO_LINK_MASK;
    }
    XS_STORE(&control->head[q], 0);
  }
  text[n] = 0;
  xs_printf("  vCPU %u handles: %s\n", vcpu, n ? text : "nothing");
}

static void errors_before(void) {
  unsigned bits;
  SHOW_AS(expand(xs_gfn(words[0])), "expand_array, 2-level");
  SHOW_AS(priority(ports[0], 3), "set_priority, 2-level");
  SHOW_AS(priority(ports[0], 99), "set_priority 99, 2-level");
  SHOW_AS(priority(5000, 3), "set_priority of port 5000, 2-level");
  SHOW_AS(init_control_at(77, ~0ull, 4096, &bits), "init_control of vCPU 77, all bad");
  SHOW_AS(init_control_at(0, xs_gfn(blocks), 4096 - 72 + 8, &bits), "init_control, across the page's end");
  SHOW_AS(init_control_at(0, xs_gfn(blocks), ~0u, &bits), "init_control at offset ~0");
  SHOW_AS(init_control_at(0, xs_gfn(blocks), 4, &bits), "init_control at offset 4");
  SHOW_AS(init_control_at(0, PROBE_NO_GFN, 0, &bits), "init_control, no page");
  xs_printf("link_bits after an error: %u\n", bits);
  SHOW_AS(init_control_at(0, ~0ull, 0, &bits), "init_control, gfn ~0");
  SHOW_AS(priority(ports[0], 3), "set_priority, still 2-level");
  SHOW_AS(xs_evtchn_op(EVTCHNOP_init_control, probe_edge()), "init_control, bad pointer");
  SHOW_AS(xs_evtchn_op(EVTCHNOP_expand_array, probe_edge()), "expand_array, bad pointer");
  SHOW_AS(xs_evtchn_op(EVTCHNOP_set_priority, probe_edge()), "set_priority, bad pointer");
}

static void switch_over(void) {
  unsigned bits;
  xs_printf("pending before: a, and b masked\n");
  xs_send(ports[0]);
  xs_event_mask(ports[1]);
  xs_send(ports[1]);
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  SHOW_AS(init_control_at(0, xs_gfn(CONTROL(0)), (unsigned)(xs_gpa(CONTROL(0)) % XS_PAGE), &bits), "init_control");
  xs_printf("link_bits: %u\n", bits);
  SHOW_AS(init_control(0), "init_control a second time");
  SHOW_AS(init_control_at(0, PROBE_NO_GFN, 0, &bits), "init_control a second time, no page");
  SHOW_AS(xs_send(ports[2]), "send c, without words");
  SHOW_AS(xs_unmask(ports[2]), "unmask c, without words");
  show_block(0);
  evtchn_port_t poll = ports[2];
  SHOW_AS(xs_poll(&poll, 1, 1), "poll c, without words");
  SHOW_AS(expand(PROBE_NO_GFN), "expand_array, no page");
  SHOW_AS(expand(~0ull), "expand_array, gfn ~0");
  SHOW_AS(expand(xs_gfn(words[0])), "expand_array");
  show_words(0, 2);
  show_block(0);
  xs_printf("2-level: a pending %u, b pending %u, c pending %u\n", xs_event_pending(ports[0]), xs_event_pending(ports[1]),
            xs_event_pending(ports[2]));
  handle(0);
}

static void queues(void) {
  xs_printf("c, a, b, c sent\n");
  xs_send(ports[2]);
  xs_send(ports[0]);
  xs_send(ports[1]);
  xs_send(ports[2]);
  show_words(0, 2);
  show_block(0);
  handle(0);
  show_words(0, 2);
  xs_printf("b masked and sent\n");
  XS_STORE(WORD(ports[1]), M);
  SHOW_AS(xs_send(ports[1]), "send b");
  show_word(1);
  show_block(0);
  evtchn_port_t poll = ports[1];
  SHOW_AS(xs_poll(&poll, 1, 0), "poll b, pending and masked");
  SHOW_AS(xs_unmask(ports[1]), "unmask b");
  show_word(1);
  show_block(0);
  SHOW_AS(xs_unmask(ports[1]), "unmask b, unmasked");
  show_word(1);
  handle(0);
  SHOW_AS(xs_unmask(ports[1]), "unmask b, not pending");
  show_word(1);
  xs_printf("a is linked, masked by the guest, then sent again and unmasked\n");
  xs_send(ports[0]);
  XS_OR(WORD(ports[0]), M);
  xs_send(ports[0]);
  show_word(0);
  xs_unmask(ports[0]);
  show_word(0);
  handle(0);
  xs_printf("BUSY left by the guest in a tail\n");
  xs_send(ports[0]);
  XS_OR(WORD(ports[0]), B);
  xs_send(ports[1]);
  show_words(0, 1);
  handle(0);
  show_words(0, 1);
  XS_STORE(WORD(ports[0]), 0);
}

static void priorities(void) {
  SHOW_AS(priority(0, 3), "set_priority of port 0");
  SHOW_AS(priority(900, 3), "set_priority of a port never allocated");
  SHOW_AS(priority(ports[2] + 1, 3), "set_priority of a free port");
  SHOW_AS(priority(ports[2] + 1, 99), "set_priority 99 of a free port");
  SHOW_AS(priority(ports[0], 16), "set_priority 16");
  SHOW_AS(priority(ports[0], ~0u), "set_priority ~0");
  SHOW_AS(priority(ports[0], 15), "set_priority a 15");
  SHOW_AS(priority(ports[1], 0), "set_priority b 0");
  SHOW_AS(priority(1, 8), "set_priority of the toolstack's port");
  xs_send(ports[0]);
  xs_send(ports[2]);
  xs_send(ports[1]);
  show_block(0);
  handle(0);
  xs_printf("a is linked, then given another priority\n");
  xs_send(ports[0]);
  SHOW_AS(priority(ports[0], 1), "set_priority a 1");
  xs_send(ports[0]);
  show_block(0);
  handle(0);
  xs_send(ports[0]);
  show_block(0);
  handle(0);
}

/* d and e are two ends of one channel, f and g of another: sending d raises e. */
static void moves(void) {
  SHOW_AS(xs_send(ports[3]), "send d");
  handle(0);
  SHOW_AS(xs_bind_vcpu(ports[4], 1), "bind_vcpu e 1");
  xs_send(ports[3]);
  show_word(4);
  xs_printf("  vCPU 1 without a control block: upcall %u\n", XS_LOAD(&xs_vcpu_info(1)->evtchn_upcall_pending));
  SHOW_AS(init_control(1), "init_control of vCPU 1");
  SHOW_AS(xs_send(ports[3]), "send d");
  show_word(4);
  show_block(1);
  xs_printf("e is on vCPU 1's queue; the tail it was on vCPU 0's is forgotten\n");
  xs_send(ports[5]);
  show_word(4);
  show_word(6);
  show_block(0);
  handle(0);
  xs_printf("e is linked, bound back to vCPU 0, sent\n");
  SHOW_AS(xs_bind_vcpu(ports[4], 0), "bind_vcpu e 0");
  xs_send(ports[3]);
  show_block(0);
  handle(1);
  xs_send(ports[3]);
  show_block(0);
  handle(0);
}

static void ipi_to(unsigned vcpu) {
  xs_send(ports[7]);
  show_block(vcpu);
  handle(vcpu);
}

static void close_and_busy(void) {
  evtchn_port_t next = 0;
  xs_send(ports[0]);
  show_word(0);
  SHOW_AS(xs_evtchn_close(ports[0]), "close a, linked");
  show_word(0);
  SHOW_AS(xs_unmask(ports[0]), "unmask a, closed");
  SHOW_AS(xs_send(ports[0]), "send a, closed");
  SHOW_AS(xs_bind_ipi(0, &next), "bind_ipi");
  xs_printf("a is given out while linked: %s\n", next == ports[0] ? "yes" : "no");
  handle(0);
  xs_evtchn_close(next);
  SHOW_AS(xs_bind_ipi(0, &next), "bind_ipi");
  xs_printf("a is given out once unlinked: %s\n", next == ports[0] ? "yes" : "no");
  xs_printf("its priority is the default again\n");
  xs_send(ports[0]);
  show_block(0);
  handle(0);
  XS_STORE(WORD(ports[7] + 1), M | P);
  SHOW_AS(xs_bind_ipi(0, &next), "bind_ipi of a port with M and P in its word");
  xs_printf("given out: %s, word %x\n", next == ports[7] + 1 ? "yes" : "no", XS_LOAD(WORD(next)) >> 28);
  SHOW_AS(xs_unmask(next), "unmask it");
  xs_printf("word %x, head is it: %u\n", XS_LOAD(WORD(next)) >> 28, XS_LOAD(&CONTROL(0)->head[7]) == next);
  handle(0);
}

static void array_end(void) {
  unsigned pages = 1;
  long r;
  while ((r = expand(xs_gfn(words[1]))) == 0) pages++;
  SHOW_AS(r, "expand_array after %u pages", pages);
  SHOW_AS(expand(PROBE_NO_GFN), "expand_array after the last, no page");
}

static void back(void) {
  struct evtchn_status status;
  SHOW_AS(xs_evtchn_reset(DOMID_SELF), "reset");
  SHOW_AS(priority(ports[0], 3), "set_priority after reset");
  SHOW_AS(expand(xs_gfn(words[0])), "expand_array after reset");
  SHOW_AS(xs_bind_ipi(0, &ports[0]), "bind_ipi");
  SHOW_AS(xs_evtchn_status(DOMID_SELF, ports[0], &status), "status");
  xs_printf("the first port: %u\n", ports[0]);
  xs_event_clear(ports[0]);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  SHOW_AS(xs_send(ports[0]), "send");
  xs_printf("2-level: pending %u, selector %lx, word %x\n", xs_event_pending(ports[0]), XS_LOAD(&xs_vcpu_info(0)->evtchn_pending_sel),
            XS_LOAD(WORD(ports[0])) >> 28);
  xs_printf("FIFO once more\n");
  memset(words, 0, sizeof words);
  memset(blocks, 0, sizeof blocks);
  xs_event_clear(ports[0]);
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  SHOW_AS(init_control(0), "init_control");
  SHOW_AS(expand(xs_gfn(words[0])), "expand_array");
  xs_printf("ready 0x%x, upcall %u\n", XS_LOAD(&CONTROL(0)->ready), XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending));
  SHOW_AS(xs_send(ports[0]), "send");
  show_word(0);
  show_block(0);
}

void xs_main(void) {
  XS_CHECK(!xs_bind_ipi(0, &ports[0]) && !xs_bind_ipi(0, &ports[1]) && !xs_bind_ipi(0, &ports[2]));
  errors_before();
  if (init_control_at(77, 0, 0, &(unsigned){0}) == -XEN_ENOSYS) xs_success();
  switch_over();
  queues();
  priorities();
  XS_CHECK(!xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &ports[4]) && !xs_bind_interdomain(DOMID_SELF, ports[4], &ports[3]));
  XS_CHECK(!xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &ports[6]) && !xs_bind_interdomain(DOMID_SELF, ports[6], &ports[5]));
  XS_CHECK(!xs_bind_ipi(1, &ports[7]));
  xs_printf("d and f bound\n");
  show_words(3, 6);
  handle(0);
  moves();
  xs_printf("h, an IPI to vCPU 1\n");
  ipi_to(1);
  close_and_busy();
  array_end();
  back();
  xs_success();
}
