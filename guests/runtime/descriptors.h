/* GDT, TSS and IDT for the guests that take interrupts. */
#pragma once
#include <stdint.h>

/* The order SYSCALL and SYSRET ask for: kernel CS, SS; user (32-bit CS), SS, CS. */
enum { KERNEL_CS = 0x08, KERNEL_SS = 0x10, USER_BASE = 0x18, USER_SS = 0x20 | 3, USER_CS = 0x28 | 3, TSS_SELECTOR = 0x30 };

struct tss {
  uint32_t reserved0;
  uint64_t rsp[3], reserved1, ist[7], reserved2;
  uint16_t reserved3, iomap;
} __attribute__((packed));

struct table_register { uint16_t limit; uint64_t base; } __attribute__((packed));

extern uint64_t gdt[8];
extern struct tss tss;
extern const struct table_register gdtr, idtr;

void gdt_load(void);
void gate_set(int vector, void (*entry)(void), int dpl, int ist);
void idt_load(void);
