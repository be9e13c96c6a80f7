// Code that one CPU runs while another changes it.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "work.h"

enum { kRounds = 200, kFlips = 5000 };

// Both mappings of one page: an int3-aligned `mov eax, imm32; ret` whose immediate lies on a multiple of 4.
static uint8_t* g_write;
static uint8_t* g_run;
static atomic_uint g_asked, g_answered, g_stop;
static unsigned g_right, g_strange;

static atomic_uint* immediate(void) { return (atomic_uint*)(void*)(g_write + 4); }

static uint32_t call(void) {
  uint32_t (*function)(void);
  const void* code = g_run + 3;
  memcpy(&function, &code, sizeof function);
  return function();
}

// As an operating system does it: change, tell the other, which serialises itself before it goes on.
static void serialise(void) {
  uint32_t a = 0, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static void* answer(void* unused) {
  work_pin(1);
  for (unsigned round = 1; round <= kRounds; ++round) {
    while (atomic_load(&g_asked) != round) sched_yield();
    serialise();
    g_right += call() == round * 2654435761u;
    atomic_store(&g_answered, round);
  }
  return unused;
}

// Without any arrangement a call gives one of the two answers, whatever happens, and in the end the last.
static void* watch(void* unused) {
  work_pin(1);
  while (!atomic_load(&g_stop)) {
    const uint32_t got = call();
    if (got != 0x11111111u && got != 0x22222222u) ++g_strange;
  }
  return unused;
}

static void run_beside(void* (*other)(void*), void (*mine)(void)) {
  pthread_t thread;
  WORK_CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
  mine();
  WORK_CHECK(pthread_join(thread, NULL) == 0);
}

static void ask(void) {
  for (unsigned round = 1; round <= kRounds; ++round) {
    atomic_store(immediate(), round * 2654435761u);
    atomic_store(&g_asked, round);
    while (atomic_load(&g_answered) != round) sched_yield();
  }
}

static void flip(void) {
  for (unsigned i = 0; i < kFlips; ++i) atomic_store(immediate(), i % 2 == 0 ? 0x11111111u : 0x22222222u);
  atomic_store(&g_stop, 1);
}

static void both(const char* name) {
  static const uint8_t code[] = {0xcc, 0xcc, 0xcc, 0xb8, 0, 0, 0, 0, 0xc3};
  memcpy(g_write, code, sizeof code);
  atomic_store(immediate(), 0x11111111u);
  atomic_store(&g_asked, 0);
  atomic_store(&g_answered, 0);
  atomic_store(&g_stop, 0);
  g_right = g_strange = 0;
  run_beside(answer, ask);
  atomic_store(immediate(), 0x22222222u);
  run_beside(watch, flip);
  printf("%s: %u of %u changes seen in time, %u strange answers, then %x\n", name, g_right, (unsigned)kRounds,
         g_strange, call());
}

void work_other_cpu(void) {
  work_pin(0);
  g_write = g_run = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  WORK_CHECK(g_write != MAP_FAILED);
  both("one mapping, two CPUs");
  const int file = memfd_create("code", 0);
  WORK_CHECK(file >= 0);
  WORK_CHECK(pwrite(file, "", 1, 4095) == 1);
  g_write = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  g_run = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  WORK_CHECK(g_write != MAP_FAILED && g_run != MAP_FAILED);
  both("two mappings, two CPUs");
}
