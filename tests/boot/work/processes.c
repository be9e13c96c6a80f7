// fork, exec, wait and pipes.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "work.h"

enum { kChildren = 24, kStages = 6, kBytes = 96 * 1024 };

int work_child(int count, char** words) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += atoi(words[i]);
  return sum & 0x7f;
}

static int status_of(pid_t child) {
  int status = 0;
  WORK_CHECK(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// All at once: half of them only fork, the other half run the program anew.
void work_processes(const char* program) {
  pid_t children[kChildren];
  fflush(stdout);
  for (int i = 0; i < kChildren; ++i) {
    children[i] = fork();
    WORK_CHECK(children[i] >= 0);
    if (children[i] != 0) continue;
    if (i % 2 == 0) _exit(i * 5 & 0x7f);
    char first[16], second[16];
    snprintf(first, sizeof first, "%d", i);
    snprintf(second, sizeof second, "%d", i * i);
    execl(program, "work", "child", first, second, (char*)NULL);
    _exit(127);
  }
  uint64_t hash = 0;
  for (int i = 0; i < kChildren; ++i) {
    const int status = status_of(children[i]);
    hash = work_hash(hash, &status, sizeof status);
  }
  // One that a signal ends.
  const pid_t killed = fork();
  if (killed == 0) abort();
  printf("processes: statuses %016llx, one by signal %d\n", (unsigned long long)hash, status_of(killed) - 128);
}

// Adds its number to each byte that comes, until there are no more.
static void stage(int in, int out, uint8_t number) {
  uint8_t block[1777];
  ssize_t got;
  while ((got = read(in, block, sizeof block)) > 0) {
    for (ssize_t i = 0; i < got; ++i) block[i] = (uint8_t)(block[i] + number);
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = write(out, block + done, (size_t)(got - done));
      if (put <= 0) _exit(1);
      done += put;
    }
  }
  _exit(got == 0 ? 0 : 1);
}

static void feed(int out) {
  uint32_t state = 1;
  for (int done = 0; done < kBytes;) {
    uint8_t block[512];
    for (size_t i = 0; i < sizeof block; ++i) {
      state = state * 1103515245 + 12345;
      block[i] = (uint8_t)(state >> 16);
    }
    if (write(out, block, sizeof block) != sizeof block) _exit(1);
    done += (int)sizeof block;
  }
  _exit(0);
}

void work_pipes(void) {
  int in = -1, bad = 0;
  pid_t children[kStages + 1];
  for (int i = 0; i <= kStages; ++i) {
    int ends[2];
    WORK_CHECK(pipe(ends) == 0);
    children[i] = fork();
    WORK_CHECK(children[i] >= 0);
    if (children[i] == 0) {
      close(ends[0]);
      if (i == 0) feed(ends[1]);
      stage(in, ends[1], (uint8_t)(i * 31));
    }
    close(ends[1]);
    if (in >= 0) close(in);
    in = ends[0];
  }
  uint64_t hash = 0;
  size_t count = 0;
  uint8_t block[4096];
  ssize_t got;
  while ((got = read(in, block, sizeof block)) > 0) {
    hash = work_hash(hash, block, (size_t)got);
    count += (size_t)got;
  }
  close(in);
  for (int i = 0; i <= kStages; ++i) bad += status_of(children[i]) != 0;
  printf("pipes: %zu bytes through %d processes, %016llx, %d failed\n", count, kStages, (unsigned long long)hash, bad);
}
