/* Exceptions and interrupts for guests without a kernel of their own. */
#pragma once
#include <stdint.h>

struct frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss; /* from here on pushed by the CPU */
};

enum { TRAP_VECTORS = 0x41, NO_FAULT = -1 };

void traps_init(void);
extern void (*trap_handler[TRAP_VECTORS])(struct frame *);
extern void (*const trap_stub[TRAP_VECTORS])(void);

/* ATTEMPT runs instructions that may fault; afterwards attempt.vector says what happened. */
extern volatile struct attempt { uint64_t resume; int64_t vector, error; } attempt;
#define ATTEMPT(code, ...)                                                     \
  do {                                                                         \
    attempt.vector = NO_FAULT;                                                 \
    attempt.error = 0;                                                         \
    asm volatile("movq $1f, %[resume]\n" code "\n1:" __VA_ARGS__);             \
    attempt.resume = 0;                                                        \
  } while (0)
#define RESUME [resume] "=m"(attempt.resume)
