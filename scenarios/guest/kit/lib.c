/* What every C program leans on: memory functions, formatted text, and how a program ends. */
#include "xs.h"

void* memset(void* to, int byte, size_t size) {
  unsigned char* p = to;
  while (size--) *p++ = (unsigned char)byte;
  return to;
}

void* memcpy(void* to, const void* from, size_t size) {
  unsigned char* p = to;
  const unsigned char* q = from;
  while (size--) *p++ = *q++;
  return to;
}

int memcmp(const void* a, const void* b, size_t size) {
  const unsigned char *p = a, *q = b;
  for (; size--; p++, q++)
    if (*p != *q) return *p < *q ? -1 : 1;
  return 0;
}

size_t strlen(const char* s) {
  size_t n = 0;
  while (s[n]) n++;
  return n;
}

/* *value /= base, giving the remainder; 32-bit builds have no library for 64-bit division. */
static unsigned divide(uint64_t* value, unsigned base) {
  uint64_t quotient = 0, remainder = 0;
  for (int bit = 63; bit >= 0; bit--) {
    remainder = remainder << 1 | ((*value >> bit) & 1);
    if (remainder >= base) {
      remainder -= base;
      quotient |= 1ull << bit;
    }
  }
  *value = quotient;
  return (unsigned)remainder;
}

struct text {
  char* out;
  size_t size, length;
};

static void put(struct text* text, char c) {
  if (text->length + 1 < text->size) text->out[text->length] = c;
  text->length++;
}

struct spec {
  int left, zero, width, longs;
};

static void put_field(struct text* text, const struct spec* spec, const char* s, size_t n) {
  int padding = spec->width > (int)n ? spec->width - (int)n : 0;
  if (spec->zero && !spec->left && n && *s == '-') {
    put(text, *s++);
    n--;
  }
  if (!spec->left)
    for (; padding > 0; padding--) put(text, spec->zero ? '0' : ' ');
  while (n--) put(text, *s++);
  for (; padding > 0; padding--) put(text, ' ');
}

static void put_number(struct text* text, const struct spec* spec, uint64_t value, unsigned base, int negative) {
  char digits[24];
  size_t at = sizeof digits;
  do digits[--at] = "0123456789abcdef"[divide(&value, base)];
  while (value);
  if (negative) digits[--at] = '-';
  put_field(text, spec, digits + at, sizeof digits - at);
}

static const char* parse_spec(const char* format, struct spec* spec) {
  *spec = (struct spec){0};
  for (;; format++) {
    if (*format == '-')
      spec->left = 1;
    else if (*format == '0')
      spec->zero = 1;
    else
      break;
  }
  for (; *format >= '0' && *format <= '9'; format++) spec->width = spec->width * 10 + (*format - '0');
  for (; *format == 'l' || *format == 'z'; format++) spec->longs++;
  return format;
}

size_t xs_vsnprintf(char* out, size_t size, const char* format, va_list args) {
  struct text text = {.out = out, .size = size};
  for (; *format; format++) {
    if (*format != '%') {
      put(&text, *format);
      continue;
    }
    struct spec spec;
    format = parse_spec(format + 1, &spec);
    switch (*format) {
      case 'c': put(&text, (char)va_arg(args, int)); break;
      case 's': {
        const char* s = va_arg(args, const char*);
        put_field(&text, &spec, s, strlen(s));
        break;
      }
      case 'd': {
        int64_t v = spec.longs > 1 ? va_arg(args, long long) : spec.longs ? va_arg(args, long) : va_arg(args, int);
        put_number(&text, &spec, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0);
        break;
      }
      case 'p': put_number(&text, &spec, (uintptr_t)va_arg(args, void*), 16, 0); break;
      case 'u':
      case 'x': {
        uint64_t v = spec.longs > 1 ? va_arg(args, unsigned long long)
                     : spec.longs   ? va_arg(args, unsigned long)
                                    : va_arg(args, unsigned);
        put_number(&text, &spec, v, *format == 'x' ? 16 : 10, 0);
        break;
      }
      default: put(&text, *format); break;
    }
  }
  if (size) out[text.length < size ? text.length : size - 1] = 0;
  return text.length;
}

const char* xs_result(long result) {
  static const struct {
    int number;
    char name[16];
  } names[] = {
#define XEN_ERRNO(name, number) {number, "-" #name},
#include <xen/errno.h>
  };
  static char texts[XS_MAX_VCPUS][4][24];
  static unsigned next[XS_MAX_VCPUS];
  unsigned vcpu = xs_vcpu();
  char* text = texts[vcpu][next[vcpu]++ % 4];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (result == -names[i].number) {
      memcpy(text, names[i].name, sizeof names[i].name);
      return text;
    }
  struct text out = {.out = text, .size = 24};
  struct spec spec = {0};
  put_number(&out, &spec, result < 0 ? -(uint64_t)result : (uint64_t)result, 10, result < 0);
  text[out.length] = 0;
  return text;
}

static void finish(const char* status, const char* format, va_list args) {
  char text[200];
  xs_vsnprintf(text, sizeof text, format, args);
  xs_printf("%s: %s\n", status, text);
}

void xs_success(void) {
  xs_printf("success\n");
  xs_exit(SHUTDOWN_poweroff);
}

void xs_failure(const char* format, ...) {
  va_list args;
  va_start(args, format);
  finish("failure", format, args);
  va_end(args);
  xs_exit(SHUTDOWN_crash);
}

void xs_error(const char* format, ...) {
  va_list args;
  va_start(args, format);
  finish("error", format, args);
  va_end(args);
  xs_exit(SHUTDOWN_crash);
}

void xs_skip(const char* format, ...) {
  va_list args;
  va_start(args, format);
  finish("skip", format, args);
  va_end(args);
  xs_exit(SHUTDOWN_poweroff);
}
