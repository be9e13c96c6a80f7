// Code that is written through one mapping and run through another; code that changes itself.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "work.h"

enum { kPage = 4096 };

// mov eax, value; ret
static size_t put_answer(uint8_t* at, uint32_t value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
  return 6;
}

static uint32_t call(const void* code) {
  uint32_t (*function)(void);
  memcpy(&function, &code, sizeof function);
  return function();
}

// A compiler of the kind that never has a page both writable and executable. The third place crosses from one page into
// the next.
void work_two_mappings(void) {
  const int file = memfd_create("code", 0);
  WORK_CHECK(file >= 0 && ftruncate(file, 2 * kPage) == 0);
  uint8_t* write = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const uint8_t* run = mmap(NULL, 2 * kPage, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  WORK_CHECK(write != MAP_FAILED && run != MAP_FAILED && write != run);
  static const size_t places[] = {0, 256, kPage - 3, kPage + 64};
  uint32_t right = 0;
  for (uint32_t i = 0; i < 4000; ++i) {
    const size_t place = places[i % 4];
    const uint32_t value = i * 2654435761u;
    put_answer(write + place, value);
    right += call(run + place) == value;
  }
  // The same again where the code stays and only the answer's bytes change, one at a time.
  for (uint32_t i = 0; i < 1000; ++i) {
    write[places[2] + 1 + i % 4] = (uint8_t)(i * 37);
    uint32_t value;
    memcpy(&value, write + places[2] + 1, 4);
    right += call(run + places[2]) == value;
  }
  printf("two mappings: %u of 5000 calls right\n", right);
  munmap(write, 2 * kPage);
  munmap((void*)(uintptr_t)run, 2 * kPage);
  close(file);
}

// Each round changes the immediate of the instruction before and of the one behind: the latter is in the block that
// runs.
//
//   xor eax, eax; mov ecx, rounds
//   again: add eax, 1 (A); inc dword [A's 1]; inc dword [B's 1]; add eax, 1 (B); dec ecx; jnz again; ret
static size_t put_self_patcher(uint8_t* at, uint32_t rounds) {
  uint8_t* p = at;
  *p++ = 0x31, *p++ = 0xc0;
  *p++ = 0xb9, memcpy(p, &rounds, 4), p += 4;
  uint8_t* again = p;
  const uint32_t one = 1;
  *p++ = 0x05, memcpy(p, &one, 4), p += 4;
  const int32_t to_a = (int32_t)(again + 1 - (p + 6));
  *p++ = 0xff, *p++ = 0x05, memcpy(p, &to_a, 4), p += 4;
  const int32_t to_b = 1;  // behind this instruction's own end: one byte of B's opcode, then its immediate
  *p++ = 0xff, *p++ = 0x05, memcpy(p, &to_b, 4), p += 4;
  *p++ = 0x05, memcpy(p, &one, 4), p += 4;
  *p++ = 0xff, *p++ = 0xc9;
  *p = 0x75, p[1] = (uint8_t)(again - (p + 2)), p += 2;
  *p++ = 0xc3;
  return (size_t)(p - at);
}

// A loop whose body is overwritten by a string instruction that is itself part of it: rep stosb of NOPs over what
// follows.
//
//   mov eax, 1; mov ecx, 5; lea rdi, [next]; push rax; mov al, 0x90; rep stosb; pop rax; next: mov eax, 2; ret
static size_t put_string_patcher(uint8_t* at) {
  static const uint8_t code[] = {0xb8, 1, 0,    0,    0,    0xb9, 5,    0,    0,    0, 0x48, 0x8d, 0x3d, 6,   0,
                                 0,    0, 0x50, 0xb0, 0x90, 0xf3, 0xaa, 0x58, 0xb8, 2, 0,    0,    0,    0xc3};
  memcpy(at, code, sizeof code);
  return sizeof code;
}

void work_own_code(void) {
  uint8_t* code = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  WORK_CHECK(code != MAP_FAILED);
  for (uint32_t rounds = 1; rounds <= 1000; rounds *= 10) {
    put_self_patcher(code + 128, rounds);
    put_self_patcher(code + kPage - 20, rounds);  // over the boundary of two pages
    printf("own code: %u rounds give %u", rounds, call(code + 128));
    printf(" and %u\n", call(code + kPage - 20));
  }
  uint32_t ones = 0;
  for (int i = 0; i < 200; ++i) {
    put_string_patcher(code + 512);
    ones += call(code + 512);
  }
  printf("own code: %u of 200 calls ran what they had just written\n", ones);
  munmap(code, 2 * kPage);
}
