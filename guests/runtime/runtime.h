/* What every C guest may use: printing, memory, the command line, leaving. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* A register. */
typedef unsigned long word;

void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void exit(int code);

void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

struct multiboot { uint32_t flags, mem_lower, mem_upper, boot_device, cmdline; };
/* The number after `name=` on the command line, or `fallback`. */
word option(const struct multiboot *info, const char *name, word fallback);
