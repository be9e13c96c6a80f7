#include "sim/machine/locks.h"

#include <algorithm>

#include "models/base/check.h"

namespace xensim::sim {

void Locks::reset() {
  waiters_ = wanting_ = 0;
  readers_.clear();
  driven_ = nullptr;
}

const Actor& Locks::holder(const xen::LockState& lock) const {
  const uint32_t word = word_of(lock);
  XS_CHECK(word != 0);
  uint32_t holder = word - 1;
  if ((word & kShared) != 0) {
    const auto held =
        std::find_if(readers_.begin(), readers_.end(), [&](const auto& each) { return each.first == &lock; });
    XS_CHECK(held != readers_.end());
    holder = held->second;
  }
  XS_CHECK(holder < actors_.size());
  return actors_[holder];
}

void Locks::take_shared(xen::LockState& lock, const Actor& actor) {
  const uint32_t readers = word_of(lock) & ~kShared;
  set_word(lock, kShared | (readers + 1));
  readers_.emplace_back(&lock, actor.id);
  if (wanting_ != 0) stop_wanting_others(lock, actor, false);
}

void Locks::release_shared(xen::LockState& lock, const Actor& actor) {
  const std::pair<const xen::LockState*, ActorId> wanted(&lock, actor.id);
  const auto held = std::find(readers_.begin(), readers_.end(), wanted);
  XS_CHECK(held != readers_.end());
  readers_.erase(held);
  const uint32_t readers = (word_of(lock) & ~kShared) - 1;
  set_word(lock, readers == 0 ? 0 : kShared | readers);
}

void Locks::wake_waiters_of(const xen::LockState& lock) {
  for (const auto& actor : actors_) {
    if (actor->waiting != &lock) continue;
    actor->waiting = nullptr;
    --waiters_;
    actors_.refresh(*actor);
  }
}

void Locks::stop_wanting_others(xen::LockState& lock, const Actor& by, bool exclusive) {
  for (const auto& actor : actors_) {
    if (actor->wants != &lock || actor->id == by.id || actor->waiting != nullptr) continue;
    if (exclusive || actor->wants_exclusive) wait(*actor, lock);
  }
}

void Locks::stop_waiting(Actor& actor) {
  if (std::exchange(actor.waiting, nullptr) != nullptr) --waiters_;
}

}  // namespace xensim::sim
