// Machine checks' registers, as two hypervisors show them: what real guests were answered is in the transcripts of
// probe_vcpu_mce.
#include "models/x86/machine_check.h"

#include <doctest/doctest.h>

namespace xensim::x86 {
namespace {

constexpr uint64_t kOnes = ~uint64_t{0};

TEST_CASE("Xen: two banks, nothing but the status holds what is written") {
  MachineChecks checks;
  CHECK(checks.read(0x179) == 2);
  for (const uint32_t msr : {0x179u, 0x17bu, 0x400u, 0x408u, 0x47fu, 0x29fu}) {
    CAPTURE(msr);
    REQUIRE(checks.has(msr));
    const uint64_t before = checks.read(msr);
    CHECK(checks.write(msr, 1));
    CHECK(checks.read(msr) == before);
  }
  CHECK(checks.write(0x17a, kOnes));
  CHECK(checks.read(0x17a) == kOnes);
  CHECK_FALSE(checks.write(0x401, 1));
  CHECK(checks.write(0x401, 0));
  CHECK_FALSE(checks.write(0, 0));
  CHECK_FALSE(checks.has(0x480));
  CHECK_FALSE(checks.has(0x2a0));
}

TEST_CASE("KVM: ten banks") {
  MachineChecks checks;
  checks.settable = true;
  CHECK(checks.read(0x179) == 0x10a);
  CHECK_FALSE(checks.write(0x179, 0x10a));
  CHECK(checks.read(0x17b) == kOnes);
  CHECK_FALSE(checks.write(0x17b, 1));
  CHECK(checks.write(0x17b, 0));
  CHECK(checks.read(0x17b) == 0);
  CHECK(checks.read(0x424) == kOnes);
  CHECK(checks.write(0x424, kOnes - 1));
  CHECK(checks.write(0x424, kOnes - 0x400));
  CHECK_FALSE(checks.write(0x424, kOnes - 2));
  CHECK(checks.read(0x424) == kOnes - 0x400);
  CHECK_FALSE(checks.write(0x425, 1));
  CHECK(checks.write(0x426, 5));
  CHECK(checks.read(0x426) == 5);
  CHECK_FALSE(checks.has(0x428));
  CHECK_FALSE(checks.has(0x280));
}

}  // namespace
}  // namespace xensim::x86
