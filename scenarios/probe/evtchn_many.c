/* Row A3: as many event channels as the layouts have: the 2-level one ends at its bitmap (1,024 ports of a 32-bit guest, 4,096 of a
 * 64-bit one), FIFO at its event array (131,072), whatever the domain may have. `record --event-channels 200000` asks for the ends;
 * with the default the domain's own limit comes first. ELF only, 1 vCPU. */
#include "probe.h"

#define ARRAY_PAGES 128u
#define QUEUE 7u /* the default priority's */

static event_word_t words[ARRAY_PAGES][1024] XS_PAGE_ALIGNED;
static struct evtchn_fifo_control_block control XS_PAGE_ALIGNED;
static unsigned pages; /* of the array, so far */

static long expand(void) {
  struct evtchn_expand_array op = {.array_gfn = xs_gfn(words[pages < ARRAY_PAGES ? pages : 0])};
  long r = xs_evtchn_op(EVTCHNOP_expand_array, &op);
  if (r == 0) pages++;
  return r;
}
static long init_control(void) {
  struct evtchn_init_control op = {.control_gfn = xs_gfn(&control), .offset = 0, .vcpu = 0};
  return xs_evtchn_op(EVTCHNOP_init_control, &op);
}

static void at_the_end(evtchn_port_t last) {
  evtchn_port_t port;
  SHOW_AS(xs_bind_virq(VIRQ_TIMER, 0, &port), "bind_virq at the end");
  SHOW_AS(xs_alloc_unbound(DOMID_SELF, DOMID_SELF, &port), "alloc_unbound at the end");
  SHOW_AS(xs_bind_interdomain(DOMID_SELF, last, &port), "bind_interdomain at the end");
  SHOW_AS(xs_send(last + 1), "send on the next port");
  SHOW_AS(xs_unmask(last + 1), "unmask the next port");
  SHOW_AS(xs_evtchn_close(last + 1), "close the next port");
  struct evtchn_status status;
  SHOW_AS(xs_evtchn_status(DOMID_SELF, last, &status), "status of the last port");
  xs_printf("kind %u, vCPU %u\n", status.status, status.vcpu);
  SHOW_AS(xs_evtchn_status(DOMID_SELF, last + 1, &status), "status of the next port");
  port = last + 1;
  SHOW_AS(xs_poll(&port, 1, 1), "poll the next port");
  SHOW_AS(xs_evtchn_close(last - 100), "close the last but 100");
  SHOW_AS(xs_evtchn_close(last - 200), "close the last but 200");
  SHOW_AS(xs_bind_ipi(0, &port), "bind_ipi");
  xs_printf("it gets the last but %u\n", last - port);
  SHOW_AS(xs_bind_ipi(0, &port), "bind_ipi");
  xs_printf("it gets the last but %u\n", last - port);
  SHOW_AS(xs_bind_ipi(0, &port), "bind_ipi");
}

static evtchn_port_t two_level(void) {
  evtchn_port_t last = 0;
  long error;
  probe_bind_all(&last, &error);
  xs_printf("2-level: the last port is %u, then %s\n", last, xs_result(error));
  XS_STORE(&xs_vcpu_info(0)->evtchn_upcall_pending, 0);
  XS_STORE(&xs_vcpu_info(0)->evtchn_pending_sel, 0);
  SHOW_AS(xs_send(last), "send on the last port");
  xs_printf("pending %u, upcall %u, selector %lx\n", xs_event_pending(last), XS_LOAD(&xs_vcpu_info(0)->evtchn_upcall_pending),
            XS_LOAD(&xs_vcpu_info(0)->evtchn_pending_sel));
  at_the_end(last);
  return last;
}

static void show(const char* what, evtchn_port_t port) {
  event_word_t word = XS_LOAD(&words[port / 1024][port % 1024]);
  xs_printf("%s: word %x, link %u, ready 0x%x, head %u\n", what, word >> 28, word & EVTCHN_FIFO_LINK_MASK, XS_LOAD(&control.ready),
            XS_LOAD(&control.head[QUEUE]));
}
static void handled(evtchn_port_t port) {
  XS_STORE(&words[port / 1024][port % 1024], 0);
  XS_STORE(&control.ready, 0);
  XS_STORE(&control.head[QUEUE], 0);
}

static void fifo(evtchn_port_t two_level_last) {
  evtchn_port_t port = 0, last = 0;
  long error;
  while (expand() == 0)
    if (pages * 1024 > two_level_last) break;
  xs_printf("%u pages, ready 0x%x, head is the last port: %u\n", pages, XS_LOAD(&control.ready), XS_LOAD(&control.head[QUEUE]) == two_level_last);
  show("the last port of before", two_level_last);
  handled(two_level_last);
  long r = xs_bind_ipi(0, &port);
  SHOW_AS(r, "bind_ipi, without a word for it");
  if (r) return;
  xs_printf("its port is the next: %u\n", port == two_level_last + 1);
  SHOW_AS(xs_send(port), "send on it");
  xs_printf("ready 0x%x\n", XS_LOAD(&control.ready));
  SHOW_AS(expand(), "expand_array");
  show("it", port);
  handled(port);
  probe_bind_all(&last, &error);
  xs_printf("FIFO: the last port is %u, then %s\n", last, xs_result(error));
  while ((r = expand()) == 0)
    ;
  SHOW_AS(r, "expand_array after %u pages", pages);
  SHOW_AS(xs_send(last), "send on the last port");
  show("the last port", last);
  SHOW_AS(xs_send(last - 1024), "send on one of another page");
  show("the last port", last);
  handled(last - 1024);
  handled(last);
  at_the_end(last);
}

void xs_main(void) {
  const evtchn_port_t last = two_level();
  long r = init_control();
  SHOW_AS(r, "init_control");
  if (r == 0) fifo(last);
  xs_success();
}
