// Every schedule by copies of the state, and the digest of its happens-before graph.
#include "tests/unit/sim/explore/search/brute_force.h"

#include <bit>

#include "sim/explore/search/digest.h"

namespace xensim::sim::small {

namespace {

class BruteForce {
 public:
  explicit BruteForce(uint64_t limit) : limit_(limit) {}

  void explore(const State& state, size_t depth, Digest trace) {
    const uint64_t runnable = state.runnable();
    if (runnable == 0) return note(state, trace);
    if (path_.size() <= depth) path_.emplace_back();
    for (uint64_t rest = runnable; rest != 0 && result.complete; rest &= rest - 1) {
      State next = state;
      Step& step = path_[depth];
      step.lane = static_cast<unsigned>(std::countr_zero(rest));
      step.runnable = runnable;
      step.footprint.clear();
      next.step(step.lane, step.footprint);
      step.digest = digest_of(depth);
      Digest longer = trace;
      longer.add(step.digest);
      explore(next, depth + 1, longer);
    }
  }

  Everything result;

 private:
  struct Step {
    unsigned lane = 0;
    uint64_t runnable = 0;
    std::vector<ObjectAccess> footprint;
    Digest digest;
  };

  void note(const State& state, const Digest& trace) {
    if (++result.runs > limit_) result.complete = false;
    result.finals.insert(state.final());
    result.traces.insert({trace.low, trace.high});
  }

  // The step and all that happens before it: what it conflicts with, and its lane's earlier steps.
  Digest digest_of(size_t depth) const {
    const Step& step = path_[depth];
    Digest before{0, 0};
    uint64_t number = 0;
    for (size_t i = depth; i-- > 0;) {
      const Step& other = path_[i];
      const bool own = other.lane == step.lane;
      if (own) ++number;
      if (own || any_conflict(step, other)) before.add(other.digest);
    }
    Digest digest;
    digest.absorb(step.lane);
    digest.absorb(number);
    for (const ObjectAccess& access : step.footprint) digest.absorb(access.object ^ access.mask << 8);
    digest.absorb(before);
    return digest;
  }

  static bool any_conflict(const Step& a, const Step& b) {
    for (const ObjectAccess& mine : a.footprint) {
      for (const ObjectAccess& theirs : b.footprint) {
        if (conflicts(mine, theirs)) return true;
      }
    }
    return false;
  }

  uint64_t limit_;
  std::vector<Step> path_;
};

}  // namespace

Everything brute_force(const Program& program, uint64_t limit) {
  BruteForce search(limit);
  search.explore(State(program), 0, Digest{0, 0});
  return std::move(search.result);
}

}  // namespace xensim::sim::small
