/* See probe.h. */
#include "probe.h"

void probe_result(const char* result, const char* format, ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  xs_vsnprintf(text, sizeof text, format, args);
  va_end(args);
  xs_printf("%s: %s\n", text, result);
}

__attribute__((format(printf, 3, 4))) static void format_into(char* out, size_t size, const char* format, ...) {
  va_list args;
  va_start(args, format);
  xs_vsnprintf(out, size, format, args);
  va_end(args);
}

const char* probe_gntst(int status) {
  static const char* const names[] = {
      "GNTST_okay",        "GNTST_general_error", "GNTST_bad_domain",       "GNTST_bad_gntref", "GNTST_bad_handle",
      "GNTST_bad_virt_addr", "GNTST_bad_dev_addr",  "GNTST_no_device_space",  "GNTST_permission_denied", "GNTST_bad_page",
      "GNTST_bad_copy_arg",  "GNTST_address_too_big", "GNTST_eagain",         "GNTST_no_space"};
  static char other[4][24];
  static unsigned next;
  if (status <= 0 && -status < (int)(sizeof names / sizeof *names)) return names[-status];
  char* text = other[next++ % 4];
  format_into(text, sizeof other[0], "GNTST_%d", status);
  return text;
}

void probe_fill(void* p, size_t size) { memset(p, 0xa5, size); }

int probe_untouched(const volatile void* p, size_t size) {
  const volatile unsigned char* bytes = p;
  while (size--)
    if (*bytes++ != 0xa5) return 0;
  return 1;
}

void probe_dump(const volatile void* p, size_t size, unsigned word, const char* format, ...) {
  const volatile unsigned char* bytes = p;
  char text[240];
  va_list args;
  va_start(args, format);
  size_t at = xs_vsnprintf(text, 60, format, args);
  va_end(args);
  XS_CHECK(at < 60 && size <= 64 && size % word == 0);
  text[at++] = ':';
  for (size_t i = 0; i < size; i += word) {
    text[at++] = ' ';
    for (unsigned b = word; b-- > 0;) {
      text[at++] = "0123456789abcdef"[bytes[i + b] >> 4];
      text[at++] = "0123456789abcdef"[bytes[i + b] & 15];
    }
  }
  text[at] = 0;
  xs_printf("%s\n", text);
}

/* One 4 KiB page where the kit maps nothing (64-bit) or what no program touches (32-bit), and an empty slot after it. */
static unsigned char edge_page[XS_PAGE] XS_PAGE_ALIGNED;
static unsigned long page_table[XS_PAGE / sizeof(long)] XS_PAGE_ALIGNED;

#ifdef __x86_64__
#define EDGE_BASE 0x200000000ul
static unsigned long page_directory[512] XS_PAGE_ALIGNED;
extern unsigned long xs_pdpt[512];

static void map_edge(void) {
  page_directory[0] = xs_gpa(page_table) | 3;
  xs_pdpt[EDGE_BASE >> 30] = xs_gpa(page_directory) | 3;
}
#else
#define EDGE_BASE 0xc0000000ul
extern unsigned long xs_pml4[1024]; /* the page directory */

static void map_edge(void) { xs_pml4[EDGE_BASE >> 22] = (unsigned long)xs_gpa(page_table) | 3; }
#endif

unsigned char* probe_edge(void) {
  if (!page_table[0]) {
    page_table[0] = (unsigned long)xs_gpa(edge_page) | 3;
    map_edge();
    unsigned long cr3;
    __asm__ volatile("mov %%cr3,%0\n\tmov %0,%%cr3" : "=r"(cr3) : : "memory");
  }
  return (unsigned char*)EDGE_BASE + XS_PAGE;
}

void* probe_noncanonical(void) {
#ifdef __x86_64__
  return (void*)0x8000000000000000ul;
#else
  return probe_edge();
#endif
}

static volatile unsigned msr_faults;

static void on_msr_fault(struct xs_regs* regs) {
  msr_faults++;
#ifdef __x86_64__
  regs->rip += 2; /* WRMSR and RDMSR are two bytes */
#else
  regs->eip += 2;
#endif
}

void probe_catch_msr_faults(void) { xs_on_vector(13, on_msr_fault); }

int probe_wrmsr_faults(uint32_t msr, uint64_t value) {
  msr_faults = 0;
  xs_wrmsr(msr, value);
  return msr_faults != 0;
}

int probe_rdmsr_faults(uint32_t msr, uint64_t* value) {
  msr_faults = 0;
  const uint64_t read = xs_rdmsr(msr);
  *value = msr_faults ? 0 : read;
  return msr_faults != 0;
}
