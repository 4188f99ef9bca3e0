/* GDT, TSS and IDT of the 32-bit guests. */
#pragma once
#include <stdint.h>

/* The order SYSENTER and SYSEXIT ask for: kernel CS, SS; user CS, SS. */
enum { KERNEL_CS = 0x08, KERNEL_SS = 0x10, USER_CS = 0x18 | 3, USER_SS = 0x20 | 3, TSS_SELECTOR = 0x28, FAULT_TSS_SELECTOR = 0x30 };
enum { TABLE_ENTRIES = 8 };

struct tss {
  uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
  uint32_t es, cs, ss, ds, fs, gs, ldt;
  uint16_t trap, iomap;
} __attribute__((packed));

struct table_register { uint16_t limit; uint32_t base; } __attribute__((packed));

extern uint64_t gdt[TABLE_ENTRIES];
/* `tss` is that of all code; `fault_tss` that of a handler which needs a stack of its own, reached through a task gate. */
extern struct tss tss, fault_tss;

/* With `tss` as the task. */
void gdt_load(void);
/* Another TSS in its place; what follows the fixed part counts in `size`. */
void task_load(const void *state, uint32_t size);
void gate_set(int vector, void (*entry)(void), int dpl);
void task_gate_set(int vector, uint16_t selector);
void idt_load(void);
