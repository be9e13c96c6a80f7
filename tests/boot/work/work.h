// A program for a booted kernel: each part works and writes lines that are the same on any right machine, so that what
// it says there can be compared with what it says natively.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Ends the program with one line where `holds` is false.
#define WORK_CHECK(holds) work_check((holds), #holds, __FILE__, __LINE__)
void work_check(int holds, const char* what, const char* file, int line);

// FNV-1a, 64 bits, of `bytes`, going on from `hash` (0: from its beginning).
uint64_t work_hash(uint64_t hash, const void* bytes, size_t count);

// The running thread stays on the CPU `index` modulo how many there are.
void work_pin(unsigned index);

// Code that changes (code.c, code_across.c).
void work_two_mappings(void);
void work_own_code(void);
void work_other_cpu(void);

// What a kernel does for its programs (processes.c, memory.c, threads.c).
void work_processes(const char* program);
int work_child(int count, char** words);  // what work_processes runs: adds its words up
void work_pipes(void);
void work_memory(void);
void work_threads(void);
