/* The mini kernel's parts: main.c (tasks, traps), memory.c (paging), probes.c (self-tests), entry.asm. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "../kernel/syscalls.h"

/* What every way into the kernel leaves on the task's kernel stack. */
struct frame {
  uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  uint64_t vector, error;
  uint64_t rip, cs, rflags, rsp, ss;
};

enum { TASKS = 2, SYSCALL_VECTOR = 0x80, VECTORS = 0x81 };

struct task {
  uint64_t rsp; /* of the kernel stack, while the task does not run */
  uint64_t cr3, kernel_stack_top;
  enum { FREE, READY, DEAD } state;
  uint64_t on_fault; /* where to resume after an exception; 0: the task is killed */
  unsigned demand_pages, preemptions;
  int exit_code;
};
extern struct task task[TASKS + 1]; /* 0 is the boot thread */
extern struct task *current;

/* GS points here while the kernel runs; SWAPGS exchanges it with the user's. */
struct percpu { uint64_t kernel_stack_top, user_rsp; };

/* memory.c */
extern bool has_smep, has_smap, has_nx, has_pge;
enum { PAGE_SIZE = 4096 };
void memory_init(void);
uint64_t address_space_new(void);
bool demand_page(uint64_t address);
long copy_string_from_user(char *to, uint64_t from, long size);
extern char guard_page[];

/* probes.c */
void probes(void);
bool probe_fault(struct frame *f);

/* entry.asm */
extern void (*const entry_stub[VECTORS])(void);
void syscall_entry(void);
void trap_return(void);
void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp);
