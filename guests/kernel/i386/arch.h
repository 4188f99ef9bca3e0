/* What of the kernel is 32-bit. */
#pragma once
#include <stdint.h>

/* What every way into the kernel leaves on the task's kernel stack; from the kernel itself without sp and ss. */
struct frame {
  uint32_t di, si, bp, kernel_sp, bx, dx, cx, ax;
  uint32_t vector, error;
  uint32_t ip, cs, flags, sp, ss;
};

/* Where IRET goes in the kernel; it leaves the stack pointer alone. */
static inline void frame_resume(struct frame *f, uint32_t ip, uint32_t sp) {
  f->ip = ip;
  (void)sp;
}

/* Registers that switch_stacks() keeps. */
enum { SAVED_BY_SWITCH = 4 };

#if PAE
/* PAE paging: 512 entries of 8 bytes a table, four in the first; large pages of 2 MiB. A PDPTE has no rights. */
typedef uint64_t pte;
enum { LEVELS = 3, INDEX_BITS = 9, LARGE_PAGE = 1 << 21, OFFERS_NX = 1 };
#define PTE_NX        (1ull << 63)
#define PTE_ADDRESS   0x000FFFFFFFFFF000ull
#define TABLE_FLAGS(level) ((level) == LEVELS ? PTE_P : PTE_P | PTE_W | PTE_U)
#define PAGING_CR4    (1 << 5)
#else
/* 32-bit paging: 1024 entries of 4 bytes a table, large pages of 4 MiB. */
typedef uint32_t pte;
enum { LEVELS = 2, INDEX_BITS = 10, LARGE_PAGE = 1 << 22, OFFERS_NX = 0 };
#define PTE_NX        0u
#define PTE_ADDRESS   0xFFFFF000u
#define TABLE_FLAGS(level) (PTE_P | PTE_W | PTE_U)
#define PAGING_CR4    (1 << 4)
#endif

/* Faulting code leaves through label 1. */
#define PROBE_BEGIN "mov %%esp, %[sp]\n movl $1f, %[ip]\n"
#define PROBE_END   "\n1: mov %[sp], %%esp"
#define PROBE_CLOBBERS "eax", "memory", "cc"
#define LOAD_STACK_POINTER "lea %[p], %%esp\n push %%eax"
