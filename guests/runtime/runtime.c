#include "runtime.h"
#include "cpu.h"
#include <stdarg.h>

enum { UART = 0x3F8, UART_LSR = UART + 5, LSR_THRE = 1 << 5, DEBUG_EXIT = 0xF4 };

static void put(char c) {
  while (!(inb(UART_LSR) & LSR_THRE)) {}
  outb(UART, (uint8_t)c);
}

static void put_number(word n, unsigned base, int width) {
  char digits[20];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[n % base]; while (n /= base);
  while (width-- > count) put('0');
  while (count) put(digits[--count]);
}

/* %s, %c, %u, %x, with l for a word; a width pads numbers with zeros. */
void print(const char *format, ...) {
  va_list args;
  va_start(args, format);
  for (const char *p = format; *p; p++) {
    if (*p != '%') {
      put(*p);
      continue;
    }
    int width = 0;
    while (*++p >= '0' && *p <= '9') width = width * 10 + *p - '0';
    if (*p == 's') {
      for (const char *s = va_arg(args, const char *); *s; s++) put(*s);
    } else if (*p == 'c') {
      put((char)va_arg(args, int));
    } else {
      word n = *p == 'l' ? (p++, va_arg(args, word)) : va_arg(args, unsigned);
      put_number(n, *p == 'x' ? 16 : 10, width);
    }
  }
  va_end(args);
}

_Noreturn void exit(int code) {
  outb(DEBUG_EXIT, (uint8_t)code);
  for (;;) asm volatile("cli; hlt");
}

void *memset(void *to, int byte, size_t n) {
  void *d = to;
  asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(byte) : "memory");
  return to;
}

void *memcpy(void *to, const void *from, size_t n) {
  void *d = to;
  asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n)::"memory");
  return to;
}

int memcmp(const void *a, const void *b, size_t n) {
  const uint8_t *p = a, *q = b;
  for (; n; n--, p++, q++)
    if (*p != *q) return *p - *q;
  return 0;
}

word option(const struct multiboot *info, const char *name, word fallback) {
  enum { HAS_CMDLINE = 1 << 2 };
  if (!(info->flags & HAS_CMDLINE)) return fallback;
  const char *p = (const char *)(word)info->cmdline;
  while (*p) {
    const char *w = name;
    while (*w && *p == *w) p++, w++;
    if (!*w && *p == '=') {
      word n = 0;
      for (p++; *p >= '0' && *p <= '9'; p++) n = n * 10 + (word)(*p - '0');
      return n;
    }
    while (*p && *p != ' ') p++;
    while (*p == ' ') p++;
  }
  return fallback;
}
