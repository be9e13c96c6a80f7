// AccessLog: the steps of a run with what they touched, and for each access those before it that it conflicts with. It
// is cut back to a prefix without a look at the rest, and allocates nothing once it has held the longest run.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/explore/search/defect.h"
#include "sim/explore/search/object_index.h"
#include "sim/machine/access.h"
#include "sim/machine/strategy.h"

namespace xensim::sim {

class AccessLog {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Step {
    unsigned lane;
    uint32_t number;      // among its lane's, from 1
    uint32_t previous;    // the lane's step before, or kNone
    uint32_t enabler;     // the last step since then at which the lane could not run, so what let it run; or kNone
    uint32_t begin, end;  // its entries
    uint64_t runnable;    // the lanes that could run where this one was chosen
  };
  // An access of a step: those to one object of one kind are one, with all their bits.
  struct Entry {
    ObjectAccess access;
    uint32_t step;
    uint32_t slot;      // of the object
    uint32_t older;     // the entry before of this object, among reads or among writes, as this one is; or kNone
    uint32_t opposite;  // likewise, among those that this one is not
  };

  explicit AccessLog(ReducerDefect defect) : defect_(defect) { last_.fill(kNone); }

  size_t steps() const { return steps_.size(); }
  const Step& step(size_t index) const { return steps_[index]; }
  unsigned lane(size_t index) const { return steps_[index].lane; }
  bool steps_conflict(size_t a, size_t b) const;
  // The lanes that have steps.
  uint64_t lanes() const { return lanes_; }
  // A lane's last step, or kNone.
  uint32_t last_of(unsigned lane) const { return last_[lane]; }
  std::span<const Entry> entries(const Step& step) const {
    return {entries_.data() + step.begin, entries_.data() + step.end};
  }

  void append(unsigned lane, uint64_t runnable, std::span<const ObjectAccess> footprint);
  void truncate(size_t steps);

  // Could the lane not run where `step` was chosen, though it had nothing to do any more before it runs next?
  bool waited(unsigned lane, size_t step, uint32_t last) const {
    return (last == kNone || step > last) && (steps_[step].runnable & lane_bit(lane)) == 0;
  }

  bool conflict(const ObjectAccess& a, const ObjectAccess& b) const { return conflicts(a, b) && !defective(a, b); }

  // The entries of earlier steps that `mine` conflicts with, writes first, each the newest first. A write that covers
  // `mine` conflicts with all older ones that `mine` conflicts with, and so happens after them: it is the last, unless
  // visit(it) is false.
  template <class Visit>
  void visit_conflicts(const Entry& mine, Visit&& visit) const;

 private:
  struct Newest {
    std::array<uint32_t, 2> entry{kNone, kNone};  // write, read
  };

  uint32_t find_enabler(unsigned lane) const;
  void add(uint32_t step, const ObjectAccess& access);
  void link(Entry& entry);
  bool dropped(const ObjectAccess& access) const;
  bool defective(const ObjectAccess& a, const ObjectAccess& b) const {
    return defect_ == ReducerDefect::kMasksDisjoint && a.mask != b.mask;
  }

  ReducerDefect defect_;
  std::vector<Step> steps_;
  std::vector<Entry> entries_;
  std::array<uint32_t, kMaxLanes> last_;
  uint64_t lanes_ = 0;
  ObjectIndex objects_;
  std::vector<Newest> newest_;  // by slot
};

template <class Visit>
void AccessLog::visit_conflicts(const Entry& mine, Visit&& visit) const {
  const bool reads = is_read(mine.access.kind);
  uint32_t floor = 0;  // reads of steps before this one are covered
  for (uint32_t at = reads ? mine.opposite : mine.older; at != kNone; at = entries_[at].older) {
    const Entry& write = entries_[at];
    if (write.step == mine.step || !conflict(write.access, mine.access)) continue;
    const bool covers = (mine.access.mask & ~write.access.mask) == 0;
    if (visit(write) && covers) {
      floor = write.step;
      break;
    }
  }
  if (reads || defect_ == ReducerDefect::kReadBeforeWrite) return;
  for (uint32_t at = mine.opposite; at != kNone && entries_[at].step >= floor; at = entries_[at].older) {
    const Entry& read = entries_[at];
    if (read.step != mine.step && conflict(read.access, mine.access)) visit(read);
  }
}

}  // namespace xensim::sim
