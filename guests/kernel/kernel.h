/* The mini kernel's parts: main.c (tasks, traps), memory.c (paging), probes.c (self-tests); arch.h, arch.c and entry.asm for
 * each architecture. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "arch.h"
#include "runtime.h"
#include "syscalls.h"

enum { TASKS = 2, SYSCALL_VECTOR = 0x80, VECTORS = 0x81 };

struct task {
  word sp; /* of the kernel stack, while the task does not run */
  word cr3, kernel_stack_top;
  enum { FREE, READY, DEAD } state;
  word on_fault; /* where to resume after an exception; 0: the task is killed */
  unsigned demand_pages, preemptions;
  int exit_code;
};
extern struct task task[TASKS + 1]; /* 0 is the boot thread */
extern struct task *current;

/* memory.c */
extern bool has_smep, has_smap, has_nx, has_pge;
enum { PAGE_SIZE = 4096 };
void memory_init(void);
word address_space_new(void);
bool demand_page(word address);
long copy_string_from_user(char *to, word from, long size);
extern char guard_page[];

/* probes.c */
void probes(void);
bool probe_fault(struct frame *f);
_Noreturn void double_fault_unexpected(void);

/* arch.c */
void arch_init(void); /* descriptors, gates and system calls */
void kernel_stack_set(word top); /* that the ways from user code go to */
void double_fault_stack_set(char *top);

/* entry.asm */
extern void (*const entry_stub[VECTORS])(void);
void trap_return(void);
void switch_stacks(word *save_sp, word load_sp);
