#include "tests/unit/models/x86/test_machine.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "models/base/check.h"
#include "models/x86/fast/fast_paths.h"
#include "models/x86/soft_cpu_impl.h"

extern "C" const unsigned char do_load[], store_often[];

namespace xensim::x86::test {
namespace {

// Descriptors by selector: long code, data, 32-bit code, then their like for CPL 3, then 16-bit ones.
constexpr uint64_t kDescriptors[] = {0,
                                     0x00af9b000000ffff,
                                     0x00cf93000000ffff,
                                     0x00cf9b000000ffff,
                                     0x00cff3000000ffff,
                                     0x00affb000000ffff,
                                     0x00cffb000000ffff,
                                     0,
                                     0,
                                     0x00009b010000ffff,
                                     0x000093000000ffff};

}  // namespace

TestMachine::TestMachine(unsigned vcpus, bool whole_blocks, bool nmi_waits_for_exit)
    : TestMachine(
          SoftCpuConfig{.vcpus = vcpus, .whole_blocks = whole_blocks, .nmi_waits_for_exit = nmi_waits_for_exit}) {}

TestMachine::TestMachine(const SoftCpuConfig& config) : ram_storage(kRamBytes + kPageSize) {
  const auto at = reinterpret_cast<uintptr_t>(ram_storage.data());
  ram = std::span(ram_storage).subspan((kPageSize - at % kPageSize) % kPageSize, kRamBytes);
  auto made = make_soft_cpu(*this, config);
  XS_CHECK_MSG(made, made.error().message);
  cpu = std::move(*made);
  XS_CHECK(cpu->map_memory(Gpa{0}, ram, true));
  std::memcpy(ram.data() + kCodeBase, xs_snippets_begin, static_cast<size_t>(xs_snippets_end - xs_snippets_begin));
}

void TestMachine::common_tables() {
  for (size_t i = 0; i < std::size(kDescriptors); ++i) poke<uint64_t>(kGdt + 8 * i, kDescriptors[i]);
  poke<uint64_t>(kGdt + kTssSelector, 0x0000890000000067 | kTss << 16);
}

void TestMachine::set_gate64(unsigned vector, uint64_t handler, uint16_t selector, unsigned type, unsigned dpl,
                             unsigned ist) {
  poke<uint64_t>(kIdt + 16 * vector, (handler & 0xffff) | uint64_t{selector} << 16 | uint64_t{ist} << 32 |
                                         uint64_t{type} << 40 | uint64_t{dpl} << 45 | uint64_t{1} << 47 |
                                         (handler & 0xffff0000) << 32);
  poke<uint64_t>(kIdt + 16 * vector + 8, handler >> 32);
}

void TestMachine::set_gate32(unsigned vector, uint64_t handler, uint16_t selector, unsigned type, unsigned dpl) {
  poke<uint64_t>(kIdt + 8 * vector, (handler & 0xffff) | uint64_t{selector} << 16 | uint64_t{type} << 40 |
                                        uint64_t{dpl} << 45 | uint64_t{1} << 47 | (handler & 0xffff0000) << 32);
}

void TestMachine::build_page_tables() {
  poke<uint64_t>(kPageTables, (kPageTables + 0x1000) | 7);
  poke<uint64_t>(kPageTables + 0x1000, (kPageTables + 0x2000) | 7);
  for (uint64_t i = 0; i < 2; ++i)
    poke<uint64_t>(kPageTables + 0x2000 + 8 * i, (kPageTables + 0x3000 + i * 0x1000) | 7);
  for (uint64_t i = 0; i < kRamBytes >> 12; ++i) poke<uint64_t>(kPageTables + 0x3000 + 8 * i, i << 12 | 7);
}

void TestMachine::flat(CpuRegs& r, uint16_t code, uint16_t code_attributes, unsigned cpl) {
  const auto dpl = static_cast<uint16_t>(cpl << 5);
  r.seg[kCs] = {code, 0, 0xffffffff, static_cast<uint16_t>(code_attributes | dpl)};
  const auto data = static_cast<uint16_t>(cpl == 3 ? kUserData : kData0);
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs})
    r.seg[s] = {data, 0, 0xffffffff, static_cast<uint16_t>(0xc93 | dpl)};
  r.seg[kTr] = {kTssSelector, kTss, 0x67, 0x8b};
  r.seg[kLdtr] = {};
  r.gdtr = {kGdt, 0x7f};
  r.idtr = {kIdt, 0xfff};
  r.rflags = 2;
  r.gpr[kRsp] = cpl == 3 ? kStack3 : kStack0;
}

void TestMachine::real(const unsigned char* snippet, VcpuId vcpu) {
  CpuRegs r = cpu->regs(vcpu);
  for (const unsigned s : {kEs, kSs, kDs, kFs, kGs}) r.seg[s] = {0, 0, 0xffff, 0x93};
  r.seg[kCs] = {kCodeBase >> 4, kCodeBase, 0xffff, 0x9b};
  r.cr0 = 0x10;
  r.efer = 0;
  r.rflags = 2;
  r.idtr = {0, 0x3ff};
  r.gpr[kRsp] = kStack0;
  r.rip = address(snippet) - kCodeBase;
  cpu->set_regs(vcpu, r);
}

void TestMachine::protected32(const unsigned char* snippet, const unsigned char* handler) {
  common_tables();
  poke<uint32_t>(kTss + 4, kStack0);
  poke<uint32_t>(kTss + 8, kData0);
  if (handler) {
    for (unsigned v = 0; v < 256; ++v) set_gate32(v, address(handler));
  }
  CpuRegs r;
  flat(r, kCode32, 0xc9b, 0);
  r.cr0 = 0x31;
  r.rip = address(snippet);
  cpu->set_regs({0}, r);
}

void TestMachine::long64(const unsigned char* snippet, const unsigned char* handler, VcpuId vcpu) {
  common_tables();
  build_page_tables();
  poke<uint64_t>(kTss + 4, kStack0);
  for (unsigned ist = 0; ist < 7; ++ist) poke<uint64_t>(kTss + 0x24 + 8 * ist, kStackIst + 0x800 * ist);
  if (handler) {
    for (unsigned v = 0; v < 256; ++v) set_gate64(v, address(handler));
  }
  CpuRegs r;
  flat(r, kCode64, 0xa9b, 0);
  r.cr0 = 0x80010033;
  r.cr4 = 0x620;
  r.cr3 = kPageTables;
  r.efer = 0xd01;
  r.rip = address(snippet);
  cpu->set_regs(vcpu, r);
}

void TestMachine::user64(const unsigned char* snippet, const unsigned char* handler) {
  long64(snippet, handler);
  change([&](CpuRegs& r) { flat(r, kUserCode64, 0xa9b, 3); });
}

void TestMachine::user32(const unsigned char* snippet, const unsigned char* handler) {
  protected32(snippet, handler);
  change([&](CpuRegs& r) { flat(r, kUserCode32, 0xc9b, 3); });
}

void TestMachine::change(const std::function<void(CpuRegs&)>& how, VcpuId vcpu) {
  CpuRegs r = cpu->regs(vcpu);
  how(r);
  cpu->set_regs(vcpu, r);
}

CpuExit TestMachine::run(uint64_t instructions, VcpuId vcpu) { return cpu->run(vcpu, instructions); }

void TestMachine::note(VcpuId vcpu, const std::string& what) {
  log.push_back(fmt::format("{} {}", cpu->instructions(vcpu), what));
  if (on_call) on_call(vcpu);
}

uint32_t TestMachine::port_in(VcpuId vcpu, uint16_t port, unsigned bytes) {
  note(vcpu, fmt::format("in {:x}/{}", port, bytes));
  return port_values[port];
}
void TestMachine::port_out(VcpuId vcpu, uint16_t port, unsigned bytes, uint32_t value) {
  note(vcpu, fmt::format("out {:x}/{} = {:x}", port, bytes, value));
}
uint64_t TestMachine::mmio_read(VcpuId vcpu, Gpa gpa, unsigned bytes) {
  note(vcpu, fmt::format("load {:x}/{}", gpa.v, bytes));
  return 0x1122334455667788;
}
void TestMachine::mmio_write(VcpuId vcpu, Gpa gpa, unsigned bytes, uint64_t value) {
  note(vcpu, fmt::format("store {:x}/{} = {:x}", gpa.v, bytes, value));
}
CpuidResult TestMachine::cpuid(VcpuId, uint32_t leaf, uint32_t, CpuidResult native) {
  if (leaf == 0x40000000) return {1, 2, 3, 4};
  return native;
}
std::optional<uint64_t> TestMachine::rdmsr(VcpuId vcpu, uint32_t msr) {
  note(vcpu, fmt::format("rdmsr {:x}", msr));
  const auto it = msrs.find(msr);
  return it == msrs.end() ? std::nullopt : std::optional(it->second);
}
bool TestMachine::wrmsr(VcpuId vcpu, uint32_t msr, uint64_t value) {
  note(vcpu, fmt::format("wrmsr {:x} = {:x}", msr, value));
  const auto it = msrs.find(msr);
  if (it != msrs.end()) it->second = value;
  return it != msrs.end();
}
uint8_t TestMachine::cr8(VcpuId) { return task_priority; }
void TestMachine::set_cr8(VcpuId, uint8_t value) { task_priority = value; }
uint64_t TestMachine::rdtsc(VcpuId vcpu) {
  if (on_tsc) on_tsc(vcpu);
  return 0xabc00000000 + cpu->instructions(vcpu);
}
CpuAction TestMachine::hypercall(VcpuId vcpu) {
  note(vcpu, fmt::format("hypercall {:x}", cpu->gpr(vcpu, kRax)));
  return answer;
}
CpuAction TestMachine::point(VcpuId vcpu, Gva rip) {
  note(vcpu, fmt::format("point {:x}", rip.v));
  return answer;
}
std::optional<uint8_t> TestMachine::acknowledge_interrupt(VcpuId vcpu) {
  if (vectors.empty()) return std::nullopt;
  const uint8_t vector = vectors.front();
  vectors.pop_front();
  note(vcpu, fmt::format("ack {:x}", vector));
  if (!vectors.empty()) cpu->raise_interrupt(vcpu);
  return vector;
}
CpuAction TestMachine::pause(VcpuId vcpu) {
  note(vcpu, "pause");
  return answer;
}

const FastPaths& fast_of(const TestMachine& m) {
  const FastPaths* const fast = dynamic_cast<const SoftCpu&>(*m.cpu).fast();
  REQUIRE(fast != nullptr);
  return *fast;
}

uint64_t copy(TestMachine& m, uint64_t from, uint64_t to) {
  m.change([&](CpuRegs& r) {
    r.rip = TestMachine::address(do_load);
    r.gpr[kRsi] = from;
    r.gpr[kRdi] = to;
  });
  REQUIRE_MESSAGE(m.run() == CpuExit::kHalt, m.cpu->error());
  return m.gpr(kRax);
}

bool know_tlb(TestMachine& m) {
  m.long64(store_often);
  m.change([](CpuRegs& r) { r.gpr[kRdi] = kData; });
  REQUIRE(m.run() == CpuExit::kHalt);
  return fast_of(m).gate().state().tlb_known == 1;
}

void use_pages(TestMachine& m) {
  for (uint64_t at = kPageTables; at < kPageTables + 0x3000 + kRamBytes / kPageSize * 8; at += 8) {
    const auto entry = m.peek<uint64_t>(at);
    if (entry & 1) m.poke<uint64_t>(at, entry | 0x60);
  }
}

}  // namespace xensim::x86::test
