// The clock that Unicorn sees stands still.
//
// tlb_mmu_resize_locked() asks get_clock_realtime() (gettimeofday) at each flush, and makes a CPUTLBDesc's table
// smaller by what was used of it within 100 ms. A guest can tell: where an entry has gone, the next access sets the
// page's accessed bit anew, and reads page tables that were changed without a flush. So the program has a gettimeofday
// of its own, which the library binds to: always the same time, so that tables only grow, by what the guest does.
// (EngineTlb counts its windows in flushes.)
#pragma once

#include "models/base/result.h"

namespace xensim::x86 {

// kEnvironment where the library was bound to another gettimeofday.
Status check_engine_clock();

}  // namespace xensim::x86
