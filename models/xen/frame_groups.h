// FrameGroups<T>: a T for each group of 64 machine frames, made when one of them is first asked for: most never are.
//
// A hash table that only grows. No lock: groups are pushed at the heads of its lists by a compare-exchange and stay, as
// they are, to the end, so lookups from any thread at any time see each whole. No scheduling points.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace xensim::xen {

inline constexpr unsigned kFrameGroupBits = 6;
inline constexpr uint64_t kFramesPerGroup = uint64_t{1} << kFrameGroupBits;
// A frame's place in its group.
constexpr unsigned index_in_group(uint64_t frame) { return frame & (kFramesPerGroup - 1); }

template <class T>
class FrameGroups {
 public:
  // `frames`: about how many there are; with many more lookups are slower.
  explicit FrameGroups(uint64_t frames)
      : lists_(std::bit_ceil(std::clamp(frames >> kFrameGroupBits, kLeastLists, kMostLists))) {}
  ~FrameGroups() {
    for (const auto& list : lists_) {
      for (const Group* group = list.load(std::memory_order_relaxed); group != nullptr;) {
        delete std::exchange(group, group->next);
      }
    }
  }
  FrameGroups(const FrameGroups&) = delete;
  FrameGroups& operator=(const FrameGroups&) = delete;

  // nullptr: none of the frame's group was ever asked for.
  T* find(uint64_t frame) const {
    const uint64_t number = frame >> kFrameGroupBits;
    // With the release in make().
    Group* const group = group_in(list(number).load(std::memory_order_acquire), number);
    return group == nullptr ? nullptr : &group->value;
  }
  T& make(uint64_t frame) {
    const uint64_t number = frame >> kFrameGroupBits;
    std::atomic<Group*>& list = lists_[number & (lists_.size() - 1)];
    Group* first = list.load(std::memory_order_acquire);
    std::unique_ptr<Group> fresh;
    for (;;) {
      // Others may have put theirs in front meanwhile, and the wanted one among them.
      if (Group* const there = group_in(first, number)) return there->value;
      if (fresh == nullptr) fresh = std::make_unique<Group>(number);
      fresh->next = first;
      if (list.compare_exchange_weak(first, fresh.get(), std::memory_order_release, std::memory_order_acquire)) {
        return fresh.release()->value;
      }
    }
  }
  // Calls `visit(first_frame, value)` for each group, in no order that means anything.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& list : lists_) {
      for (Group* group = list.load(std::memory_order_acquire); group != nullptr; group = group->next) {
        visit(group->number << kFrameGroupBits, group->value);
      }
    }
  }

 private:
  static constexpr uint64_t kLeastLists = 4, kMostLists = 4096;

  struct Group {
    explicit Group(uint64_t n) : number(n) {}
    const uint64_t number;
    T value{};
    Group* next = nullptr;  // as it was when the group was published
  };

  const std::atomic<Group*>& list(uint64_t number) const { return lists_[number & (lists_.size() - 1)]; }
  static Group* group_in(Group* group, uint64_t number) {
    while (group != nullptr && group->number != number) group = group->next;
    return group;
  }

  std::vector<std::atomic<Group*>> lists_;
};

}  // namespace xensim::xen
