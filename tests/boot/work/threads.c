// Threads: a lock, a condition, and arithmetic whose registers a kernel must keep apart.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "work.h"

enum { kThreads = 6, kAdds = 3000, kPasses = 600 };

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t g_turn_changed = PTHREAD_COND_INITIALIZER;
static unsigned g_sum, g_turn;
static double g_results[kThreads];
static long double g_long_results[kThreads];
static __thread unsigned t_adds;

static void add(void) {
  for (int i = 0; i < kAdds; ++i) {
    pthread_mutex_lock(&g_lock);
    g_sum += ++t_adds & 3;
    pthread_mutex_unlock(&g_lock);
  }
}

// Each waits for its turn, and gives it to the next.
static void pass_on(unsigned self) {
  for (int i = 0; i < kPasses / kThreads; ++i) {
    pthread_mutex_lock(&g_lock);
    while (g_turn % kThreads != self) pthread_cond_wait(&g_turn_changed, &g_lock);
    ++g_turn;
    pthread_cond_broadcast(&g_turn_changed);
    pthread_mutex_unlock(&g_lock);
  }
}

// SSE and x87 both, long enough to be interrupted.
static void compute(unsigned self) {
  double value = 1.0 + self;
  long double other = 2.0L + self;
  for (int i = 1; i < 20000; ++i) {
    value = value * 1.0000001 + 1.0 / i;
    other = other / 1.0000001L + 1.0L / i;
  }
  g_results[self] = value;
  g_long_results[self] = other;
}

static void* run(void* argument) {
  const unsigned self = (unsigned)(uintptr_t)argument;
  work_pin(self);
  add();
  pass_on(self);
  compute(self);
  return NULL;
}

void work_threads(void) {
  pthread_t threads[kThreads];
  for (unsigned i = 0; i < kThreads; ++i) WORK_CHECK(pthread_create(&threads[i], NULL, run, (void*)(uintptr_t)i) == 0);
  for (unsigned i = 0; i < kThreads; ++i) WORK_CHECK(pthread_join(threads[i], NULL) == 0);
  uint64_t hash = work_hash(0, g_results, sizeof g_results);
  for (unsigned i = 0; i < kThreads; ++i) hash = work_hash(hash, &g_long_results[i], 10);
  printf("threads: sum %u, %u turns, arithmetic %016llx\n", g_sum, g_turn, (unsigned long long)hash);
}
