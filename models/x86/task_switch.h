// Hardware task switches (SDM vol. 3, chapter 7): the state goes to the TSS of the old task and comes from the new
// one's.
#pragma once

#include "models/x86/guest_access.h"

namespace xensim::x86 {

// A task gate's way into a task: the old one is the new one's back link, and stays busy.
struct TaskEntry {
  uint16_t selector = 0;     // of the new TSS
  uint32_t ext = 0;          // the EXT bit of error codes
  uint64_t saved_flags = 0;  // EFLAGS as the old TSS keeps them
};
struct TaskEntered {
  bool wide = false;        // a 32-bit TSS
  bool debug_trap = false;  // its T bit: #DB before the first instruction
};

// Throws Fault: with `in_new_task` where the switch was done and the new task's state will not do. The TLB is the
// caller's, if CR3 changed.
TaskEntered enter_task(GuestAccess& access, State& state, const TaskEntry& entry);

}  // namespace xensim::x86
