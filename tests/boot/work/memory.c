// mmap, mprotect, mremap, copies on write, faults that a handler mends, and files.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

enum { kPage = 4096, kPages = 64 };

static uint8_t* pages(int flags) {
  uint8_t* at = mmap(NULL, kPages * kPage, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  WORK_CHECK(at != MAP_FAILED);
  return at;
}

static void fill(uint8_t* at, uint32_t seed) {
  for (size_t i = 0; i < kPages * kPage; i += 4) {
    seed = seed * 1664525 + 1013904223;
    memcpy(at + i, &seed, 4);
  }
}

// The child changes both: of the private pages the parent sees nothing, of the shared ones all.
static void copies_on_write(void) {
  uint8_t* own = pages(MAP_PRIVATE);
  uint8_t* shared = pages(MAP_SHARED);
  fill(own, 1);
  fill(shared, 2);
  fflush(stdout);
  const pid_t child = fork();
  WORK_CHECK(child >= 0);
  if (child == 0) {
    fill(own, 3);
    fill(shared, 4);
    _exit(0);
  }
  int status = -1;
  WORK_CHECK(waitpid(child, &status, 0) == child && status == 0);
  printf("memory: own %016llx, shared %016llx\n", (unsigned long long)work_hash(0, own, kPages * kPage),
         (unsigned long long)work_hash(0, shared, kPages * kPage));
  munmap(own, kPages * kPage);
  munmap(shared, kPages * kPage);
}

static volatile sig_atomic_t g_faults;

static void mend(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  ++g_faults;
  uint8_t* page = (uint8_t*)((uintptr_t)info->si_addr & ~(uintptr_t)(kPage - 1));
  mprotect(page, kPage, PROT_READ | PROT_WRITE);
}

static void mended_faults(void) {
  struct sigaction action = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO}, before;
  sigaction(SIGSEGV, &action, &before);
  uint8_t* at = pages(MAP_PRIVATE);
  WORK_CHECK(mprotect(at, kPages * kPage, PROT_NONE) == 0);
  for (size_t i = 0; i < kPages; ++i) ((volatile uint8_t*)at)[i * kPage + i] += (uint8_t)i;
  sigaction(SIGSEGV, &before, NULL);
  printf("memory: %d faults mended, %016llx\n", (int)g_faults, (unsigned long long)work_hash(0, at, kPages * kPage));
  // Elsewhere and twice as long, with what was in it.
  at = mremap(at, kPages * kPage, 2 * kPages * kPage, MREMAP_MAYMOVE);
  WORK_CHECK(at != MAP_FAILED);
  printf("memory: moved, %016llx\n", (unsigned long long)work_hash(0, at, 2 * kPages * kPage));
  munmap(at, 2 * kPages * kPage);
}

static void files(void) {
  char name[] = "/tmp/work-XXXXXX";
  const int file = mkstemp(name);
  WORK_CHECK(file >= 0);
  unlink(name);
  uint8_t* at = pages(MAP_PRIVATE);
  fill(at, 5);
  WORK_CHECK(pwrite(file, at, kPages * kPage, 123) == kPages * kPage);
  uint8_t* mapped = mmap(NULL, kPages * kPage, PROT_READ, MAP_SHARED, file, 0);
  WORK_CHECK(mapped != MAP_FAILED && memcmp(mapped + 123, at, kPages * kPage - 123) == 0);
  WORK_CHECK(pwrite(file, "changed", 7, 5 * kPage) == 7);
  printf("memory: a file, %016llx\n", (unsigned long long)work_hash(0, mapped, kPages * kPage));
  munmap(mapped, kPages * kPage);
  munmap(at, kPages * kPage);
  close(file);
}

void work_memory(void) {
  copies_on_write();
  mended_faults();
  files();
}
