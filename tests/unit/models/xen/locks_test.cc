// The order of locks is checked at each acquire, whoever else is there or not.
#include "models/xen/locks.h"

#include <doctest/doctest.h>

#include "models/xen/testing/plain_platform.h"

namespace xensim::xen {
namespace {

constexpr DomId kDom{1};

// Takes `first`, then `second` in the same entry: is that the order?
bool in_order(Lock& first, Lock& second) {
  PlainPlatform platform(kPageSize, 0);
  LockContext context(platform);
  context.held.check_and_push(first);
  try {
    context.held.check_and_push(second);
  } catch (const CheckFailure&) {
    return false;
  }
  return true;
}

TEST_CASE("ranks only grow") {
  Lock domain(LockRank::kDomain, Site::kDomainLock, kDom);
  Lock event(LockRank::kEvent, Site::kEventLock, kDom);
  Lock p2m(LockRank::kP2m, Site::kP2mLock, kDom);
  CHECK(in_order(domain, event));
  CHECK(in_order(event, p2m));
  CHECK_FALSE(in_order(event, domain));
  CHECK_FALSE(in_order(p2m, event));
}

TEST_CASE("within a rank, domains and then numbers grow") {
  Lock a3(LockRank::kChannel, Site::kChannelLock, DomId{1}, 3);
  Lock a4(LockRank::kChannel, Site::kChannelLock, DomId{1}, 4);
  Lock b1(LockRank::kChannel, Site::kChannelLock, DomId{2}, 1);
  CHECK(in_order(a3, a4));
  CHECK(in_order(a4, b1));
  CHECK_FALSE(in_order(a4, a3));
  CHECK_FALSE(in_order(b1, a4));
  CHECK_FALSE(in_order(a3, a3));
}

TEST_CASE("locks are given back in any order") {
  PlainPlatform platform(kPageSize, 0);
  LockContext context(platform);
  Lock event(LockRank::kEvent, Site::kEventLock, kDom);
  Lock channel(LockRank::kChannel, Site::kChannelLock, kDom, 3);
  {
    LockGuard outer(context, event);
    LockGuard inner(context, channel);
    CHECK(event.state().word.load() != 0);
    CHECK_FALSE(context.held.empty());
  }
  CHECK(event.state().word.load() == 0);
  context.held.check_and_push(event);
  context.held.check_and_push(channel);
  context.held.remove(event);
  CHECK_FALSE(context.held.empty());
  context.held.remove(channel);
  CHECK(context.held.empty());
}

}  // namespace
}  // namespace xensim::xen
