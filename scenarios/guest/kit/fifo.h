/* FIFO event channels for a guest program: a part of the kit that programs ask for (KIT fifo.c in CMakeLists.txt).
 *
 * The guest's side is Linux's: each vCPU takes events off its own queues, whose heads it keeps a private copy of, and clears
 * LINKED and the link of an event in one atomic step. All accesses are points (access.h). 64-bit and 32-bit, native too. */
#ifndef XENSIM_GUEST_KIT_FIFO_H_
#define XENSIM_GUEST_KIT_FIFO_H_

#include "xs.h"

#define XS_FIFO_PENDING (1u << EVTCHN_FIFO_PENDING)
#define XS_FIFO_MASKED (1u << EVTCHN_FIFO_MASKED)
#define XS_FIFO_LINKED (1u << EVTCHN_FIFO_LINKED)
#define XS_FIFO_BUSY (1u << EVTCHN_FIFO_BUSY)
#define XS_FIFO_PORTS 1024u /* one page of event words */

/* Turns the domain to FIFO channels: a control block for each vCPU, one page of event words; the upcall of every vCPU is
 * xs_fifo_dispatch from then on. 0 or a negative errno. Ports are unmasked at first. */
long xs_fifo_init(void);
long xs_fifo_set_priority(evtchn_port_t port, unsigned priority);
/* As xs_on_event: the handler is called with the event's PENDING bit cleared. */
void xs_fifo_on_event(evtchn_port_t port, xs_event_handler handler);
/* Handles this vCPU's events, highest priority first. */
void xs_fifo_dispatch(void);

event_word_t* xs_fifo_word(evtchn_port_t port);
int xs_fifo_pending(evtchn_port_t port);
int xs_fifo_masked(evtchn_port_t port);
void xs_fifo_mask(evtchn_port_t port);
/* Clears MASKED, in the guest while the event is not pending, else by the hypercall, which links the event too. One step decides,
 * so an event that comes meanwhile is neither lost nor unmasked twice. */
void xs_fifo_unmask(evtchn_port_t port);

#endif
