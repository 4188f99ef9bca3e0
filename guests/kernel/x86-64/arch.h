/* What of the kernel is 64-bit. */
#pragma once
#include <stdint.h>

/* What every way into the kernel leaves on the task's kernel stack. */
struct frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, bp, di, si, dx, cx, bx, ax;
  uint64_t vector, error;
  uint64_t ip, cs, flags, sp, ss;
};

/* Where IRET goes. */
static inline void frame_resume(struct frame *f, uint64_t ip, uint64_t sp) {
  f->ip = ip;
  f->sp = sp;
}

/* Registers that switch_stacks() keeps. */
enum { SAVED_BY_SWITCH = 6 };

/* 4-level paging: 512 entries of 8 bytes a table, large pages of 2 MiB. */
typedef uint64_t pte;
enum { LEVELS = 4, INDEX_BITS = 9, LARGE_PAGE = 1 << 21, OFFERS_NX = 1 };
#define PTE_NX        (1ul << 63)
#define PTE_ADDRESS   0x000FFFFFFFFFF000ul
#define TABLE_FLAGS(level) (PTE_P | PTE_W | PTE_U)
#define PAGING_CR4    0

/* Faulting code leaves through label 1, with the stack pointer that it had. */
#define PROBE_BEGIN "mov %%rsp, %[sp]\n movq $1f, %[ip]\n"
#define PROBE_END   "\n1:"
#define PROBE_CLOBBERS "rax", "memory", "cc"
#define LOAD_STACK_POINTER "lea %[p], %%rsp\n push %%rax"
