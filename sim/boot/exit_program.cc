// See exit_program.h. Made here, byte by byte: an initramfs must not depend on the compiler that xensim was built with.
#include "sim/boot/exit_program.h"

#include <elf.h>

#include <cstdint>
#include <span>

#include "models/pc/device/test_exit.h"

namespace xensim::sim {

namespace {

constexpr uint64_t kBase = 0x400000;
constexpr uint8_t kPortLow = pc::kTestExitPort & 0xff, kPortHigh = pc::kTestExitPort >> 8;

constexpr uint8_t kCode[] = {
    0xbf, kPortLow, kPortHigh, 0,    0,     // mov edi, port       ioperm(port, 1, 1)
    0xbe, 1,        0,         0,    0,     // mov esi, 1
    0x89, 0xf2,                             // mov edx, esi
    0xb8, 0xad,     0,         0,    0,     // mov eax, 173
    0x0f, 0x05,                             // syscall
    0x48, 0x8b,     0x74,      0x24, 0x10,  // mov rsi, [rsp + 16]  argv[1]
    0x31, 0xc0,                             // xor eax, eax
    0x0f, 0xb6,     0x0e,                   // next: movzx ecx, byte [rsi]
    0x83, 0xe9,     0x30,                   // sub ecx, '0'
    0x72, 0x0a,                             // jb done              the terminator
    0x6b, 0xc0,     0x0a,                   // imul eax, eax, 10
    0x01, 0xc8,                             // add eax, ecx
    0x48, 0xff,     0xc6,                   // inc rsi
    0xeb, 0xee,                             // jmp next
    0xba, kPortLow, kPortHigh, 0,    0,     // done: mov edx, port
    0xee,                                   // out dx, al
    0x31, 0xff,                             // xor edi, edi         exit(0)
    0xb8, 0x3c,     0,         0,    0,     // mov eax, 60
    0x0f, 0x05,                             // syscall
};

struct Program {
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  uint8_t code[sizeof kCode]{};
};

}  // namespace

std::vector<std::byte> make_exit_program() {
  Program program;
  constexpr uint64_t kCodeAt = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  program.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_entry = kBase + kCodeAt,
                    .e_phoff = sizeof(Elf64_Ehdr),
                    .e_shoff = 0,
                    .e_flags = 0,
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = 0,
                    .e_shstrndx = 0};
  program.segment = {.p_type = PT_LOAD,
                     .p_flags = PF_R | PF_X,
                     .p_offset = 0,
                     .p_vaddr = kBase,
                     .p_paddr = kBase,
                     .p_filesz = kCodeAt + sizeof kCode,
                     .p_memsz = kCodeAt + sizeof kCode,
                     .p_align = 0x1000};
  std::copy(std::begin(kCode), std::end(kCode), program.code);
  const auto bytes = std::as_bytes(std::span(&program, 1));
  return {bytes.begin(), bytes.end()};
}

}  // namespace xensim::sim
