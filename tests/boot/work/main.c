// work [PART]...: all parts where none is named. See work.h.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "work.h"

void work_check(int holds, const char* what, const char* file, int line) {
  if (holds) return;
  printf("work: %s:%d: %s does not hold\n", file, line, what);
  fflush(stdout);
  _exit(1);
}

uint64_t work_hash(uint64_t hash, const void* bytes, size_t count) {
  if (hash == 0) hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < count; ++i) hash = (hash ^ ((const uint8_t*)bytes)[i]) * 0x100000001b3;
  return hash;
}

void work_pin(unsigned index) {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(index % (unsigned)(cpus < 1 ? 1 : cpus), &set);
  sched_setaffinity(0, sizeof set, &set);  // a host may forbid it: then threads run where it likes
}

static void processes(void) { work_processes("/proc/self/exe"); }

int main(int count, char** words) {
  static const struct {
    const char* name;
    void (*run)(void);
  } parts[] = {{"two-mappings", work_two_mappings},
               {"own-code", work_own_code},
               {"other-cpu", work_other_cpu},
               {"processes", processes},
               {"pipes", work_pipes},
               {"memory", work_memory},
               {"threads", work_threads}};
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (count > 1 && strcmp(words[1], "child") == 0) return work_child(count - 2, words + 2);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; ++i) {
    int wanted = count == 1;
    for (int word = 1; word < count; ++word) wanted |= strcmp(words[word], parts[i].name) == 0;
    if (wanted) parts[i].run();
  }
  puts("work: done");
  return 0;
}
