// The APIC timer, tick by tick.
#include "models/pc/device/apic_timer.h"

#include <doctest/doctest.h>

#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::pc;
using namespace xensim::pc::test;

namespace {

constexpr uint64_t kGHz = 1'000'000'000;
constexpr uint32_t kDivideBy1 = 0xb;

struct Fixture {
  FakeMachine machine;
  ApicTimer timer{3, kGHz, kGHz, machine, machine};

  void at(uint64_t ns) { machine.time = VirtualNs{ns}; }
  bool armed() const { return machine.timers.count(3) != 0; }
  uint64_t due() const { return machine.timers.at(3).v; }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "one-shot counts down once, tick by tick") {
  at(100);
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(3);
  CHECK(due() == 103);
  for (const uint64_t ns : {100u, 101u, 102u}) {
    at(ns);
    CHECK(timer.current_count() == 103 - ns);
    CHECK_FALSE(timer.expired());
  }
  at(103);
  CHECK(timer.current_count() == 0);
  CHECK(timer.expired());
  CHECK_FALSE(timer.expired());
  CHECK(timer.current_count() == 0);
  CHECK(timer.initial_count() == 3);
}

TEST_CASE_FIXTURE(Fixture, "every divide value") {
  const unsigned divisors[] = {2, 4, 8, 16, 32, 64, 128, 1};
  for (unsigned code = 0; code < 8; ++code) {
    timer.set_divide((code & 3) | ((code & 4) << 1));
    timer.set_initial_count(10);
    CHECK(due() == 10u * divisors[code]);
  }
}

TEST_CASE_FIXTURE(Fixture, "periodic reloads, without drift, and missed periods are one interrupt") {
  timer.set_mode(ApicTimerMode::kPeriodic);
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(10);
  at(10);
  CHECK(timer.current_count() == 10);
  CHECK(timer.expired());
  CHECK(due() == 20);
  at(23);  // served late
  CHECK(timer.current_count() == 7);
  CHECK(timer.expired());
  CHECK(due() == 30);
  at(67);
  CHECK(timer.expired());
  CHECK(due() == 70);
  CHECK_FALSE(timer.expired());
}

TEST_CASE("a bus clock that does not divide a nanosecond does not drift") {
  FakeMachine machine;
  ApicTimer timer(0, 3, kGHz, machine, machine);  // 3 Hz
  timer.set_mode(ApicTimerMode::kPeriodic);
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(1);
  for (uint64_t tick = 1; tick <= 9; ++tick) {
    const uint64_t due = machine.timers.at(0).v;
    CHECK(due == (tick * kGHz + 2) / 3);
    machine.time = VirtualNs{due};
    CHECK(timer.expired());
  }
}

TEST_CASE_FIXTURE(Fixture, "a new divide value goes on from the count") {
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(100);
  at(40);
  timer.set_divide(0);  // by 2
  CHECK(timer.current_count() == 60);
  CHECK(due() == 160);
  at(160);
  CHECK(timer.current_count() == 0);
  timer.set_divide(kDivideBy1);
  CHECK(timer.expired());
}

TEST_CASE_FIXTURE(Fixture,
                  "one-shot and periodic change into each other on the way, and at the end it is the new mode's") {
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(100);
  at(40);
  timer.set_mode(ApicTimerMode::kPeriodic);
  CHECK(timer.current_count() == 60);
  CHECK(due() == 100);
  at(100);
  CHECK(timer.expired());
  CHECK(due() == 200);
  at(130);
  timer.set_mode(ApicTimerMode::kOneShot);
  CHECK(timer.current_count() == 70);
  at(200);
  CHECK(timer.expired());
  CHECK(timer.current_count() == 0);
  timer.set_mode(ApicTimerMode::kPeriodic);  // the count is over: nothing starts it but a write
  CHECK(timer.current_count() == 0);
  CHECK_FALSE(timer.expired());
  CHECK(timer.initial_count() == 100);
}

TEST_CASE_FIXTURE(Fixture, "count 0 stops, a change to or from TSC-deadline mode disarms") {
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(100);
  timer.set_initial_count(0);
  CHECK_FALSE(armed());
  timer.set_mode(ApicTimerMode::kPeriodic);
  timer.set_initial_count(100);
  timer.set_initial_count(0);
  CHECK_FALSE(armed());
  CHECK(timer.current_count() == 0);
  timer.set_initial_count(100);
  timer.set_mode(ApicTimerMode::kTscDeadline);
  CHECK_FALSE(armed());
  timer.set_initial_count(100);
  CHECK_FALSE(armed());
  CHECK(timer.initial_count() == 0);
}

TEST_CASE_FIXTURE(Fixture, "TSC deadline") {
  timer.set_deadline(50);  // not in this mode
  CHECK(timer.deadline() == 0);
  timer.set_mode(ApicTimerMode::kTscDeadline);
  at(10);
  timer.set_deadline(50);
  CHECK(timer.deadline() == 50);
  CHECK(due() == 50);
  at(49);
  CHECK_FALSE(timer.expired());
  at(50);
  CHECK(timer.expired());
  CHECK(timer.deadline() == 0);
  timer.set_deadline(20);  // has passed: due at once
  CHECK(due() == 50);
  CHECK(timer.expired());
  timer.set_deadline(90);
  timer.set_tsc_offset(30);  // the TSC is 80 now
  CHECK(due() == 60);
  timer.set_deadline(0);
  CHECK_FALSE(armed());
  timer.set_deadline(~uint64_t{0});
  CHECK(due() > uint64_t{1} << 62);
}

TEST_CASE_FIXTURE(Fixture, "the timer's state survives save and restore") {
  timer.set_mode(ApicTimerMode::kPeriodic);
  timer.set_initial_count(50);
  at(30);
  std::vector<std::byte> saved;
  timer.save(saved);
  ApicTimer other(3, kGHz, kGHz, machine, machine);
  std::span<const std::byte> in(saved);
  REQUIRE(other.restore(in).has_value());
  CHECK(in.empty());
  CHECK(other.current_count() == timer.current_count());
  for (size_t size = 0; size < saved.size(); ++size) {
    std::span<const std::byte> part(saved.data(), size);
    CHECK_FALSE(other.restore(part).has_value());
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a saved count from a time to come, or of a mode that there is not, is refused by its name") {
  at(1000);
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(50);
  std::vector<std::byte> saved;
  timer.save(saved);
  const auto refused = [&] {
    ApicTimer other(3, kGHz, kGHz, machine, machine);
    std::span<const std::byte> in(saved);
    const Status status = other.restore(in);
    CHECK(other.current_count() == 0);
    return status ? std::string() : status.error().message;
  };
  at(999);
  CHECK(refused() == "saved APIC timer: start_tick cannot be");
  at(1000);
  saved.back() = std::byte{1};  // the mode's upper byte, the last of all
  CHECK(refused() == "saved APIC timer: mode cannot be");
}

TEST_CASE_FIXTURE(Fixture, "a count that a change of its rate began before time 0 is restored") {
  at(1);
  timer.set_divide(kDivideBy1);
  timer.set_initial_count(1);
  at(3);
  timer.set_divide(0xa);  // by 128, with the expiry not served yet
  std::vector<std::byte> saved;
  timer.save(saved);
  ApicTimer other(3, kGHz, kGHz, machine, machine);
  std::span<const std::byte> in(saved);
  CHECK(other.restore(in).has_value());
}
