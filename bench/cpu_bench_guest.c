// Guest code for cpu_bench: freestanding, and in a section of its own that is copied into guest memory as it is.
#define GUEST __attribute__((section("xs_bench_guest"), noinline, used))

typedef unsigned int u32;
typedef unsigned char u8;

// CRC-32 over a buffer with a table made at run time, then a quicksort of the same buffer's words; RDI points to free memory.
static GUEST u32 crc(const u8* bytes, u32 size, u32* table) {
  for (u32 i = 0; i < 256; ++i) {
    u32 value = i;
    for (u32 bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
    table[i] = value;
  }
  u32 sum = ~0u;
  for (u32 i = 0; i < size; ++i) sum = sum >> 8 ^ table[(sum ^ bytes[i]) & 0xff];
  return ~sum;
}

static GUEST void sort(u32* words, int low, int high) {
  while (low < high) {
    const u32 pivot = words[low + (high - low) / 2];
    int i = low, j = high;
    while (i <= j) {
      while (words[i] < pivot) ++i;
      while (words[j] > pivot) --j;
      if (i <= j) {
        const u32 kept = words[i];
        words[i++] = words[j];
        words[j--] = kept;
      }
    }
    sort(words, low, j);
    low = i;
  }
}

GUEST u32 xs_bench_routine(u8* memory) {
  u32* table = (u32*)memory;
  u32* words = (u32*)(memory + 4096);
  u32 seed = 1, result = 0;
  for (u32 round = 0; round < 20; ++round) {
    for (u32 i = 0; i < 4096; ++i) words[i] = seed = seed * 1664525u + 1013904223u;
    sort(words, 0, 4095);
    result ^= crc((const u8*)words, 16384, table);
  }
  return result;
}

__asm__(
    ".pushsection xs_bench_guest, \"ax\", @progbits\n"
    ".globl xs_bench_blocks, xs_bench_memory, xs_bench_call\n"
    // Blocks of five instructions.
    "xs_bench_blocks:\n mov $1000000, %ecx\n"
    "1: add $3, %rax\n xor %rax, %rbx\n lea 1(%rbx, %rax), %rdx\n dec %rcx\n jnz 1b\n hlt\n"
    // Loads and stores.
    "xs_bench_memory:\n mov $250000, %ecx\n"
    "1: mov (%rdi), %rax\n mov 64(%rdi), %rbx\n add %rax, 128(%rdi)\n mov %rbx, 192(%rdi)\n"
    " mov 256(%rdi), %rax\n mov %rax, 320(%rdi)\n addq $1, (%rdi)\n mov %rcx, 384(%rdi)\n mov 448(%rdi), %rdx\n"
    " mov %rdx, 512(%rdi)\n dec %rcx\n jnz 1b\n hlt\n"
    "xs_bench_call:\n call xs_bench_routine\n hlt\n"
    ".popsection\n");
