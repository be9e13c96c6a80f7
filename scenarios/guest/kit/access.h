/* Accesses to memory that other vCPUs or the hypervisor see too. Guest programs make each of them through one of these macros,
 * one to a statement (compilers order arguments differently), so that a machine can cut a vCPU exactly there.
 *
 * In the ELF each is one asm statement whose first instruction is the access, and a record in the section .xensim_points: two
 * little-endian 64-bit words, the instruction's address and that of a string "file.c:LINE kind". In the native build each calls
 * the host with the same string. All are 8, 16, 32 or (64-bit builds) 64 bits wide, by the type of *p, which is a scalar.
 *
 *   XS_LOAD(p), XS_STORE(p, v)               plain; ordered against other accesses as x86 does
 *   XS_XCHG(p, v), XS_FETCH_ADD(p, v)        atomic, give the old value
 *   XS_CMPXCHG(p, old, new)                  atomic, gives the value found; it has stored if that equals old
 *   XS_OR(p, v), XS_AND(p, v)                atomic, give nothing
 *   XS_TEST_AND_SET_BIT(nr, base), XS_TEST_AND_CLEAR_BIT(nr, base)    atomic on a bitmap of words, give the old bit
 *   xs_pause()                               PAUSE, a point too
 *   xs_explore_begin()                       where a search begins, in scenarios with explore_from = "marker": all before it runs
 *                                            in one way. All vCPUs that are to race should stand ready. Does nothing else. */
#ifndef XENSIM_GUEST_KIT_ACCESS_H_
#define XENSIM_GUEST_KIT_ACCESS_H_

#include <stdint.h>

#define XS_STRING_(x) #x
#define XS_STRING(x) XS_STRING_(x)
#define XS_POINT(kind) __FILE_NAME__ ":" XS_STRING(__LINE__) " " kind

#define XS_BITS_PER_LONG (8 * sizeof(unsigned long))

/* The type of *p without its qualifiers. */
#define XS_TYPEOF(p) __typeof__((__typeof__(*(p)))0)

#ifndef XENSIM_NATIVE

#define XS_RECORD(kind)                                  \
  ".pushsection .xensim_points,\"a\",@progbits\n\t"      \
  ".balign 8\n\t"                                        \
  ".long 771b, 0, 772f, 0\n\t"                           \
  ".popsection\n\t"                                      \
  ".pushsection .rodata.xensim_names,\"aMS\",@progbits,1\n" \
  "772:\t.asciz \"" XS_POINT(kind) "\"\n\t"              \
  ".popsection"

#define XS_LOAD(p)                                                                                  \
  ({                                                                                                \
    XS_TYPEOF(p) xs_v_;                                                                             \
    __asm__ volatile("771:\tmov %1,%0\n\t" XS_RECORD("load") : "=q"(xs_v_) : "m"(*(p)) : "memory"); \
    xs_v_;                                                                                          \
  })

#define XS_STORE(p, v)                                                                                \
  do {                                                                                                \
    XS_TYPEOF(p) xs_v_ = (v);                                                                         \
    __asm__ volatile("771:\tmov %1,%0\n\t" XS_RECORD("store") : "=m"(*(p)) : "q"(xs_v_) : "memory"); \
  } while (0)

#define XS_XCHG(p, v)                                                                                     \
  ({                                                                                                      \
    XS_TYPEOF(p) xs_v_ = (v);                                                                             \
    __asm__ volatile("771:\txchg %0,%1\n\t" XS_RECORD("xchg") : "+q"(xs_v_), "+m"(*(p)) : : "memory"); \
    xs_v_;                                                                                                \
  })

#define XS_CMPXCHG(p, old, new)                                        \
  ({                                                                   \
    XS_TYPEOF(p) xs_found_ = (old);                                    \
    XS_TYPEOF(p) xs_new_ = (new);                                      \
    __asm__ volatile("771:\tlock cmpxchg %2,%1\n\t" XS_RECORD("cmpxchg") \
                     : "+a"(xs_found_), "+m"(*(p))                     \
                     : "q"(xs_new_)                                    \
                     : "memory", "cc");                                \
    xs_found_;                                                         \
  })

#define XS_FETCH_ADD(p, v)                                        \
  ({                                                              \
    XS_TYPEOF(p) xs_v_ = (v);                                     \
    __asm__ volatile("771:\tlock xadd %0,%1\n\t" XS_RECORD("add") \
                     : "+q"(xs_v_), "+m"(*(p))                    \
                     :                                            \
                     : "memory", "cc");                           \
    xs_v_;                                                        \
  })

#define XS_LOCKED_(insn, p, v)                                                                                    \
  do {                                                                                                            \
    XS_TYPEOF(p) xs_v_ = (v);                                                                                     \
    __asm__ volatile("771:\tlock " insn " %1,%0\n\t" XS_RECORD(insn) : "+m"(*(p)) : "q"(xs_v_) : "memory", "cc"); \
  } while (0)

#define XS_OR(p, v) XS_LOCKED_("or", p, v)
#define XS_AND(p, v) XS_LOCKED_("and", p, v)

#define XS_BIT_(insn, kind, nr, base)                                                              \
  ({                                                                                               \
    unsigned long xs_nr_ = (nr);                                                                   \
    unsigned char xs_old_;                                                                         \
    __asm__ volatile("771:\tlock " insn " %2,%0\n\tsetc %1\n\t" XS_RECORD(kind)                    \
                     : "+m"((base)[xs_nr_ / XS_BITS_PER_LONG]), "=q"(xs_old_)                      \
                     : "r"((unsigned long)(xs_nr_ % XS_BITS_PER_LONG))                             \
                     : "memory", "cc");                                                            \
    xs_old_;                                                                                       \
  })

#define XS_TEST_AND_SET_BIT(nr, base) XS_BIT_("bts", "or", nr, base)
#define XS_TEST_AND_CLEAR_BIT(nr, base) XS_BIT_("btr", "and", nr, base)

#define xs_pause() __asm__ volatile("771:\tpause\n\t" XS_RECORD("pause") : : : "memory")
#define xs_explore_begin() __asm__ volatile("771:\tnop\n\t" XS_RECORD("begin") : : : "memory")

#else /* XENSIM_NATIVE */

#include "native.h"

uint64_t xs_native_access(const char* point_name, uint32_t op, volatile void* addr, uint32_t bytes, uint64_t operand,
                          uint64_t expected);
void xs_native_pause(const char* point_name);

#define XS_ACCESS_(kind, op, p, operand, expected) \
  ({                                                                                                       \
    uint64_t xs_old_ =                                                                                     \
        xs_native_access(XS_POINT(kind), op, (p), sizeof(*(p)), (uint64_t)(operand), (uint64_t)(expected)); \
    (XS_TYPEOF(p)) xs_old_;                                                                                \
  })

#define XS_LOAD(p) XS_ACCESS_("load", XS_OP_LOAD, p, 0, 0)
#define XS_STORE(p, v) ((void)XS_ACCESS_("store", XS_OP_STORE, p, v, 0))
#define XS_XCHG(p, v) XS_ACCESS_("xchg", XS_OP_XCHG, p, v, 0)
#define XS_CMPXCHG(p, old, new) XS_ACCESS_("cmpxchg", XS_OP_CMPXCHG, p, new, old)
#define XS_FETCH_ADD(p, v) XS_ACCESS_("add", XS_OP_ADD, p, v, 0)
#define XS_OR(p, v) ((void)XS_ACCESS_("or", XS_OP_OR, p, v, 0))
#define XS_AND(p, v) ((void)XS_ACCESS_("and", XS_OP_AND, p, v, 0))

#define XS_BIT_(kind, op, nr, base, operand_of_bit)                                              \
  ({                                                                                             \
    unsigned long xs_nr_ = (nr);                                                                 \
    unsigned long xs_bit_ = 1ul << (xs_nr_ % XS_BITS_PER_LONG);                                  \
    (XS_ACCESS_(kind, op, (base) + xs_nr_ / XS_BITS_PER_LONG, operand_of_bit, 0) & xs_bit_) != 0; \
  })

#define XS_TEST_AND_SET_BIT(nr, base) XS_BIT_("or", XS_OP_OR, nr, base, xs_bit_)
#define XS_TEST_AND_CLEAR_BIT(nr, base) XS_BIT_("and", XS_OP_AND, nr, base, ~xs_bit_)

#define xs_pause() xs_native_pause(XS_POINT("pause"))
#define xs_explore_begin() xs_native_pause(XS_POINT("begin"))

#endif

#endif
