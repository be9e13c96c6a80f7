// Microsoft's interface, by group: what tests/oracle/probe_viridian.xen.txt does not ask of viridian=1.
#include "models/viridian/viridian.h"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>

#include "tests/unit/models/pc/fake_machine.h"

using namespace xensim;
using namespace xensim::viridian;

namespace {

constexpr VcpuId k0{0}, k1{1};

// Two vCPUs and 64 KiB of memory.
struct Domain : Client {
  explicit Domain(uint32_t groups = kDefaults) : viridian({.groups = groups, .vcpus = 2, .tsc_khz = 2'000'000}, *this) {
    for (uint32_t i = 0; i < 2; ++i) {
      apics.push_back(std::make_unique<pc::LocalApic>(pc::ApicConfig{.vcpu = VcpuId{i}, .apic_id = i}, bus, machine,
                                                      machine, machine));
      apics.back()->mmio_write(0xf0, 4, 0x1ff);
      if (groups & kApicAssist) apics.back()->set_eoi_assist(&viridian);
    }
  }
  pc::LocalApic& apic(VcpuId vcpu) override { return *apics[vcpu.v]; }
  void flush_tlbs() override { ++flushes; }
  uint64_t tsc() override { return tsc_now; }
  bool inside(Gpa at, size_t bytes) const { return at.v <= ram.size() && bytes <= ram.size() - at.v; }
  bool read_memory(Gpa from, std::span<std::byte> to) override {
    if (!inside(from, to.size())) return false;
    std::memcpy(to.data(), ram.data() + from.v, to.size());
    return true;
  }
  bool write_memory(Gpa to, std::span<const std::byte> from) override {
    if (!inside(to, from.size())) return false;
    std::memcpy(ram.data() + to.v, from.data(), from.size());
    return true;
  }
  template <class T>
  T peek(uint64_t at) const {
    T value;
    std::memcpy(&value, ram.data() + at, sizeof value);
    return value;
  }
  void poke(uint64_t at, std::initializer_list<uint64_t> words) {
    for (const uint64_t word : words) {
      std::memcpy(ram.data() + at, &word, sizeof word);
      at += sizeof word;
    }
  }

  pc::test::FakeMachine machine;
  pc::ApicBus bus;
  std::vector<std::unique_ptr<pc::LocalApic>> apics;
  std::vector<std::byte> ram = std::vector<std::byte>(0x10000, std::byte{0xee});
  unsigned flushes = 0;
  uint64_t tsc_now = 0;
  Viridian viridian;
};

}  // namespace

TEST_CASE("each group has its leaves and its registers, and no other") {
  Domain all(kBase | kFreq | kTimeRefCount | kReferenceTsc | kHcallRemoteTlbFlush | kHcallIpi | kCrashCtl);
  Domain base(kBase);
  CHECK(base.viridian.cpuid(0x40000003).eax == 0x70);
  CHECK(base.viridian.cpuid(0x40000003).edx == 0);
  CHECK(base.viridian.cpuid(0x40000005).eax == 0);
  CHECK(all.viridian.cpuid(0x40000003).eax == 0xa72);
  CHECK(all.viridian.cpuid(0x40000003).edx == 0x400);
  for (Domain* domain : {&all, &base}) REQUIRE(domain->viridian.wrmsr(k0, 0x40000000, 0x0001040601001db1));
  CHECK(base.viridian.cpuid(0x40000004).eax == 0x28);
  CHECK(all.viridian.cpuid(0x40000004).eax == 0x42c);
  for (const uint32_t msr : {0x40000020u, 0x40000021u, 0x40000022u, 0x40000023u}) {
    CAPTURE(msr);
    CHECK_FALSE(base.viridian.rdmsr(k0, msr).has_value());
    CHECK(all.viridian.rdmsr(k0, msr).has_value());
    CHECK(all.viridian.wrmsr(k0, msr, 0) == (msr == 0x40000021));
    CHECK_FALSE(base.viridian.wrmsr(k0, msr, 0));
  }
  CHECK(all.viridian.rdmsr(k0, 0x40000022) == 2'000'000'000u);
  CHECK(all.viridian.rdmsr(k1, 0x40000002) == 1);
}

TEST_CASE("time is in units of 100 ns, and the reference page's arithmetic gives the same") {
  Domain domain(kBase | kTimeRefCount | kReferenceTsc);
  domain.tsc_now = 2'000'000'000;  // a second
  const uint64_t time = *domain.viridian.rdmsr(k0, 0x40000020);
  CHECK(time >= 9'999'999);
  CHECK(time <= 10'000'000);
  REQUIRE(domain.viridian.wrmsr(k0, 0x40000021, 0x3001));
  CHECK(domain.peek<uint32_t>(0x3000) == 1);
  __extension__ using Wide = unsigned __int128;
  const auto by_page = static_cast<uint64_t>(Wide{domain.tsc_now} * domain.peek<uint64_t>(0x3008) >> 64);
  CHECK(by_page + domain.peek<uint64_t>(0x3010) == time);
  CHECK(domain.peek<uint64_t>(0x3ff8) == 0);
  CHECK(domain.viridian.wrmsr(k0, 0x40000021, 0x7fffff001));  // no memory there: taken, and nothing happens
}

TEST_CASE("the hypercall page is written where it is enabled, and where there is memory") {
  Domain domain;
  REQUIRE(domain.viridian.wrmsr(k0, 0x40000001, 0x2000));
  CHECK(domain.peek<uint8_t>(0x2000) == 0xee);
  REQUIRE(domain.viridian.wrmsr(k0, 0x40000001, 0x2001));
  CHECK(domain.peek<uint64_t>(0x2000) == 0xc1010f8000'00000dull);
  CHECK(domain.peek<uint32_t>(0x2008) == 0xccccccc3);
  CHECK(domain.viridian.wrmsr(k0, 0x40000001, 0xfffff001));
  CHECK(domain.viridian.rdmsr(k0, 0x40000001) == 0xfffff001);
}

TEST_CASE("calls: spin wait, flushes, interrupts, and what is refused") {
  Domain domain;
  const auto call = [&](uint64_t input, uint64_t in = 0, uint64_t out = 0) {
    return domain.viridian.call({input, in, out});
  };
  CHECK(call(8) == 0);
  CHECK(domain.viridian.wants_yield());
  domain.poke(0x1000, {0, 0, 1});
  CHECK(call(2, 0x1000) == 0);
  CHECK_FALSE(domain.viridian.wants_yield());
  CHECK(call(3 | uint64_t{3} << 32, 0x1000) == uint64_t{3} << 32);
  CHECK(domain.flushes == 2);
  CHECK(call(2 | 1 << 16, 0x1000) == 5);
  CHECK(call(2, 0x100000) == 5);
  CHECK(call(0x46) == 2);
  domain.poke(0x1000, {0, 0, 0, 1, 2});  // sparse: bank 0, vCPU 1
  CHECK(call(0x13, 0x1000) == 0);
  domain.poke(0x1000, {0, 0, 7, 1, 2});  // no such format
  CHECK(call(0x13, 0x1000) == 5);
  CHECK(domain.flushes == 3);

  domain.machine.effects();
  CHECK(call(0xb | 1 << 16, 0x41, 2) == 0);
  CHECK(domain.machine.effects() == std::vector<std::string>{"ready 1"});
  CHECK(call(0xb | 1 << 16, 0x0f, 2) == 5);
  CHECK(call(0xb | 1 << 16, 0x100, 2) == 5);
  domain.poke(0x1000, {0x42, 1});
  CHECK(call(0xb, 0x1000) == 0);
  CHECK(domain.machine.effects() == std::vector<std::string>{"ready 0"});
  domain.poke(0x1000, {uint64_t{1} << 32 | 0x42, 1});  // another trust level
  CHECK(call(0xb, 0x1000) == 5);
  domain.poke(0x1000, {0x43, 1});  // all
  CHECK(call(0x15, 0x1000) == 0);
  CHECK(domain.machine.effects() == std::vector<std::string>{"ready 0", "ready 1"});
  CHECK(call(0x15 | 1 << 16, 0x43) == 5);
}

TEST_CASE("the assist page: cleared when it is enabled, its word offers an end without an EOI") {
  Domain domain;
  pc::LocalApic& apic = domain.apic(k1);
  REQUIRE(domain.viridian.wrmsr(k1, 0x40000073, 0x4000));
  CHECK(domain.peek<uint32_t>(0x4000) == 0xeeeeeeee);
  REQUIRE(domain.viridian.wrmsr(k1, 0x40000073, 0x4001));
  CHECK(domain.peek<uint32_t>(0x4000) == 0);
  apic.assert_vector(0x41);
  CHECK(apic.acknowledge() == 0x41);
  CHECK(domain.peek<uint32_t>(0x4000) == 1);
  domain.poke(0x4000, {0});
  apic.assert_vector(0x31);
  CHECK(apic.acknowledge() == 0x31);
  CHECK(domain.viridian.wrmsr(k1, 0x40000070, 0));  // EOI by its MSR
  CHECK(domain.peek<uint32_t>(0x4000) == 0);
  REQUIRE(domain.viridian.wrmsr(k1, 0x40000073, 0));
  apic.assert_vector(0x41);
  CHECK(apic.acknowledge() == 0x41);
  CHECK(domain.peek<uint32_t>(0x4000) == 0);
}

TEST_CASE("a guest that says it crashed crashes, and parameters are the vCPU's own") {
  Domain domain;
  REQUIRE(domain.viridian.wrmsr(k0, 0x40000104, 7));
  CHECK(domain.viridian.rdmsr(k0, 0x40000104) == 7);
  CHECK(domain.viridian.rdmsr(k1, 0x40000104) == 0);
  CHECK(domain.viridian.wrmsr(k0, 0x40000105, 1));
  CHECK_FALSE(domain.viridian.crashed());
  CHECK(domain.viridian.wrmsr(k0, 0x40000105, uint64_t{1} << 63));
  CHECK(domain.viridian.crashed());
}

TEST_CASE("state survives save and restore, and short bytes change nothing") {
  Domain domain, other;
  REQUIRE(domain.viridian.wrmsr(k0, 0x40000000, 5));
  REQUIRE(domain.viridian.wrmsr(k1, 0x40000073, 0x4001));
  std::vector<std::byte> saved;
  domain.viridian.save(saved);
  for (size_t size = 0; size < saved.size(); ++size) {
    std::span<const std::byte> part(saved.data(), size);
    CHECK_FALSE(other.viridian.restore(part).has_value());
  }
  CHECK(other.viridian.rdmsr(k0, 0x40000000) == 0);
  std::span<const std::byte> in(saved);
  REQUIRE(other.viridian.restore(in).has_value());
  CHECK(in.empty());
  CHECK(other.viridian.rdmsr(k0, 0x40000000) == 5);
  CHECK(other.viridian.rdmsr(k1, 0x40000073) == 0x4001);
}
