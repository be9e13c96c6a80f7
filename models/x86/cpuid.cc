#include "models/x86/cpuid.h"

#include <array>
#include <cstring>

namespace xensim::x86 {
namespace {

template <class... Bits>
constexpr uint32_t bits(Bits... numbers) {
  return ((1u << numbers) | ... | 0u);
}

// Leaf 1, EDX: FPU, DE, PSE, TSC, MSR, PAE, CX8, APIC, SEP, MTRR, PGE, CMOV, PAT, PSE36, CLFSH, MMX, FXSR, SSE, SSE2.
constexpr uint32_t kLeaf1Edx = bits(0, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17, 19, 23, 24, 25, 26);
// Leaf 1, ECX: SSE3, PCLMULQDQ, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, hypervisor present.
constexpr uint32_t kLeaf1Ecx = bits(0, 1, 9, 13, 19, 20, 22, 23, 25, 31);
// Leaf 7, EBX: FSGSBASE, BMI1, SMEP, BMI2, ADX, SMAP. No ERMS: each byte of a REP MOVSB is a step of the engine's, so
// that words are the faster ones.
constexpr uint32_t kLeaf7Ebx = bits(0, 3, 7, 8, 19, 20);
// Leaf 7, EDX: the MSR IA32_ARCH_CAPABILITIES is there.
constexpr uint32_t kLeaf7Edx = bits(29);
// Leaf 0x80000001, ECX: LAHF in long mode, LZCNT, PREFETCHW. EDX: SYSCALL, NX, RDTSCP, long mode.
constexpr uint32_t kExtEcx = bits(0, 5, 8), kExtEdx = bits(11, 20, 27, 29);

constexpr char kBrand[49] = "xensim software CPU";

CpuidResult brand(uint32_t part) {
  std::array<uint32_t, 4> words{};
  std::memcpy(words.data(), kBrand + 16 * part, sizeof words);
  return {words[0], words[1], words[2], words[3]};
}

// Deterministic cache parameters: 32 KiB L1 data and code, 256 KiB L2, each of one core, 64-byte lines.
CpuidResult cache(uint32_t subleaf) {
  switch (subleaf) {
    case 0: return {0x121, 0x01c0003f, 63, 0};
    case 1: return {0x122, 0x01c0003f, 63, 0};
    case 2: return {0x143, 0x00c0003f, 1023, 0};
    default: return {};
  }
}

}  // namespace

CpuidResult native_cpuid(uint32_t leaf, uint32_t subleaf) {
  switch (leaf) {
    case 0: return {0xb, 0x756e6547, 0x6c65746e, 0x49656e69};  // GenuineIntel
    case 1: return {kProcessorSignature, 8 << 8 | 1 << 16, kLeaf1Ecx, kLeaf1Edx};
    case 2: return {0x01, 0, 0, 0};
    case 4: return cache(subleaf);
    case 6: return {4, 0, 0, 0};  // the APIC timer always runs
    case 7: return subleaf == 0 ? CpuidResult{0, kLeaf7Ebx, 0, kLeaf7Edx} : CpuidResult{};
    case 0x80000000: return {0x80000008, 0, 0, 0};
    case 0x80000001: return {0, 0, kExtEcx, kExtEdx};
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: return brand(leaf - 0x80000002);
    case 0x80000006: return {0, 0, 256 << 16 | 6 << 12 | 1 << 8 | 64, 0};
    case 0x80000007: return {0, 0, 0, 1 << 8};        // the TSC is invariant
    case 0x80000008: return {40 | 48 << 8, 0, 0, 0};  // address sizes
    default: return {};
  }
}

}  // namespace xensim::x86
