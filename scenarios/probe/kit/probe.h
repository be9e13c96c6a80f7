/* What probe programs share: each of their lines is one fact about the hypervisor, `call: result, effect`.
 *
 * A line that begins with `~` may differ from run to run (times, addresses, port numbers, order between vCPUs) and is not
 * compared. The same source is built for 64 and for 32 bits. ELF only. */
#ifndef XENSIM_PROBE_H_
#define XENSIM_PROBE_H_

#include "xs.h"

/* One fact: the call as written and its result, 0 or more as a number, else the errno's name. */
#define SHOW(call) probe_result(xs_result(call), "%s", #call)
/* The same under a text of its own, where the call's source says too little. */
#define SHOW_AS(call, ...) probe_result(xs_result(call), __VA_ARGS__)
/* For a grant operation's status field. */
#define SHOW_GNTST(status, ...) probe_result(probe_gntst(status), __VA_ARGS__)

/* Prints the formatted text, ": " and the result. */
__attribute__((format(printf, 2, 3))) void probe_result(const char* result, const char* format, ...);
/* "GNTST_okay"; "GNTST_17" for a number that has no name. */
const char* probe_gntst(int status);

/* ---- effects on memory ---- */

/* Fills with 0xa5: what a call leaves alone is still that. */
void probe_fill(void* p, size_t size);
/* Is every byte still as probe_fill left it? */
int probe_untouched(const volatile void* p, size_t size);
/* One line: the text, ": " and what is there as hex, a group for each `word` bytes (1, 2, 4 or 8); at most 64 bytes. */
__attribute__((format(printf, 4, 5))) void probe_dump(const volatile void* p, size_t size, unsigned word, const char* format, ...);

/* ---- model-specific registers ---- */

/* From now on a WRMSR or RDMSR that faults is passed over; takes vector 13. */
void probe_catch_msr_faults(void);
/* Does it fault? After probe_catch_msr_faults. */
int probe_wrmsr_faults(uint32_t msr, uint64_t value);
/* The same; `value` is what was read, 0 where it faults. */
int probe_rdmsr_faults(uint32_t msr, uint64_t* value);

/* ---- bad pointers ---- */

/* The end of a page that is mapped, where nothing is mapped from it on: `probe_edge()` is a bad pointer, and an argument that
 * begins a few bytes before it is half good. */
unsigned char* probe_edge(void);
/* 64-bit: a non-canonical address. 32-bit: the same as probe_edge(). */
void* probe_noncanonical(void);
/* No guest frame is at this number, in both widths. */
#define PROBE_NO_GFN ((xen_pfn_t)0xfff00)

/* ---- calls that several probes make (in this header: what is linked in is laid out as it was) ---- */

/* Binds IPIs to vCPU 0 until there is no port left: how many, the last one, and what the call after it said. */
static inline unsigned probe_bind_all(evtchn_port_t* last, long* error) {
  evtchn_port_t port = 0;
  unsigned n = 0;
  while ((*error = xs_bind_ipi(0, &port)) == 0) {
    *last = port;
    n++;
  }
  return n;
}

/* Ends as SCHEDOP_shutdown's reason says, which is all that can be asked in one run; or says what came back. */
static inline void probe_shutdown(unsigned reason) {
  struct sched_shutdown end = {.reason = reason};
  xs_printf("shutdown, reason %u\n", end.reason);
  SHOW_AS(xs_hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &end), "it came back");
  xs_success();
}

#endif
