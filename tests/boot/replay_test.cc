// The trace of a booted kernel: verified to its end, and what was changed in it is found.
#include <doctest/doctest.h>

#include <string>

#include "tests/boot/boot_log.h"
#include "tests/boot/kernels.h"
#include "tests/boot/trace_change.h"
#include "tests/cli/program.h"

using namespace xensim;

namespace {

// A trace of a boot on two vCPUs, made once.
const std::string& boot_trace() {
  static const std::string path = [] {
    const std::string trace = scratch_folder() + "/replayed.trace";
    const Ran ran = run_program({"boot", "-q", "--kernel", "debian:6.1-cloud", "--vcpus", "2", "--append", "quiet",
                                 "--exec", "seq 1 200 | sort -rn | tail -n 1; exit 6", "--record", trace});
    REQUIRE_MESSAGE(ran.status == 6, ran.err);
    return trace;
  }();
  return path;
}

}  // namespace

TEST_CASE("a recorded boot runs again to its end, an interrupt that was changed is reported where it was taken") {
  if (!have_kernel("6.1-cloud")) return;
  const Ran good = run_program({"replay", boot_trace(), "--on", "soft"});
  CHECK_MESSAGE(good.status == 0, good.err);

  const std::string bad = scratch_folder() + "/interrupt.trace";
  int interrupts = 0;
  const uint64_t changed = copy_changed(boot_trace(), bad, [&](traces::Event& event) {
    auto* interrupt = std::get_if<traces::Interrupt>(&event.body);
    if (interrupt == nullptr || ++interrupts < 500) return false;
    interrupt->vector ^= 1;
    return true;
  });
  const Ran diverged = run_program({"replay", bad, "--on", "soft"});
  CHECK(diverged.status == 1);
  CHECK(number_behind(diverged.out, "event ") == changed);
  CHECK_MESSAGE(diverged.out.find("interrupt") != std::string::npos, diverged.out);
}
