/* The guest's side of FIFO event channels. */
#include "fifo.h"

#include "internal.h"

#define QUEUES EVTCHN_FIFO_MAX_QUEUES
#define LINK(word) ((word)&EVTCHN_FIFO_LINK_MASK)

static event_word_t words[XS_FIFO_PORTS] XS_PAGE_ALIGNED;
/* A page holds them all; none crosses it. */
static union {
  struct evtchn_fifo_control_block block;
  unsigned char size[128];
} blocks[XS_MAX_VCPUS] XS_PAGE_ALIGNED;
static evtchn_port_t heads[XS_MAX_VCPUS][QUEUES]; /* each vCPU's own: the next event of a queue it is at work on */
static xs_event_handler handlers[XS_FIFO_PORTS];

event_word_t* xs_fifo_word(evtchn_port_t port) { return &words[port]; }

static long init_control(unsigned vcpu) {
  struct evtchn_init_control op = {.control_gfn = xs_gfn(&blocks[vcpu]),
                                   .offset = (uint32_t)(xs_gpa(&blocks[vcpu]) % XS_PAGE),
                                   .vcpu = vcpu};
  return xs_evtchn_op(EVTCHNOP_init_control, &op);
}

long xs_fifo_init(void) {
  unsigned vcpus = xs_vcpu_count();
  xs_on_upcall(xs_fifo_dispatch);
  for (unsigned vcpu = 0; vcpu < vcpus; vcpu++) {
    long r = init_control(vcpu);
    if (r) return r;
  }
  struct evtchn_expand_array op = {.array_gfn = xs_gfn(words)};
  return xs_evtchn_op(EVTCHNOP_expand_array, &op);
}

long xs_fifo_set_priority(evtchn_port_t port, unsigned priority) {
  struct evtchn_set_priority op = {.port = port, .priority = priority};
  return xs_evtchn_op(EVTCHNOP_set_priority, &op);
}

void xs_fifo_on_event(evtchn_port_t port, xs_event_handler handler) { handlers[port] = handler; }

/* Takes an event off its queue: the word before. The hypervisor may link another event to it at the same time. */
static event_word_t unlink_event(event_word_t* word) {
  event_word_t seen = XS_LOAD(word);
  for (;;) {
    event_word_t found = XS_CMPXCHG(word, seen, seen & ~(XS_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK));
    if (found == seen) return seen;
    seen = found;
  }
}

/* Handles one event of a queue. 0: it was the queue's last. */
static int handle_one(unsigned vcpu, unsigned queue) {
  evtchn_port_t port = heads[vcpu][queue];
  if (!port) port = XS_LOAD(&blocks[vcpu].block.head[queue]);
  if (!port || port >= XS_FIFO_PORTS) return 0;
  event_word_t word = unlink_event(&words[port]);
  heads[vcpu][queue] = LINK(word);
  word = XS_LOAD(&words[port]);
  if ((word & XS_FIFO_PENDING) && !(word & XS_FIFO_MASKED)) {
    XS_AND(&words[port], ~XS_FIFO_PENDING);
    if (handlers[port]) handlers[port](port);
  }
  return heads[vcpu][queue] != 0;
}

void xs_fifo_dispatch(void) {
  unsigned vcpu = xs_vcpu();
  struct vcpu_info* info = xs_vcpu_info(vcpu);
  uint32_t* ready_bits = &blocks[vcpu].block.ready;
  do {
    XS_STORE(&info->evtchn_upcall_pending, 0);
    uint32_t ready = XS_XCHG(ready_bits, 0);
    while (ready) {
      unsigned queue = (unsigned)__builtin_ctz(ready);
      if (!handle_one(vcpu, queue)) ready &= ~(1u << queue);
      ready |= XS_XCHG(ready_bits, 0);
    }
  } while (XS_LOAD(&info->evtchn_upcall_pending));
}

int xs_fifo_pending(evtchn_port_t port) {
  event_word_t word = XS_LOAD(&words[port]);
  return (word & XS_FIFO_PENDING) != 0;
}

int xs_fifo_masked(evtchn_port_t port) {
  event_word_t word = XS_LOAD(&words[port]);
  return (word & XS_FIFO_MASKED) != 0;
}

void xs_fifo_mask(evtchn_port_t port) { XS_OR(&words[port], XS_FIFO_MASKED); }

void xs_fifo_unmask(evtchn_port_t port) {
  event_word_t seen = XS_LOAD(&words[port]);
  while ((seen & XS_FIFO_MASKED) && !(seen & XS_FIFO_PENDING)) {
    /* Not while the hypervisor keeps the word from changing. */
    event_word_t old = seen & ~XS_FIFO_BUSY;
    seen = XS_CMPXCHG(&words[port], old, old & ~XS_FIFO_MASKED);
    if (seen == old) return;
    if (seen & XS_FIFO_BUSY) xs_pause();
  }
  if (seen & XS_FIFO_MASKED) xs_unmask(port);
}
