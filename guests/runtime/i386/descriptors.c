#include "descriptors.h"

uint64_t gdt[TABLE_ENTRIES] = {
    0,
    0x00CF9B000000FFFF, /* 0x08 kernel code */
    0x00CF93000000FFFF, /* 0x10 kernel data */
    0x00CFFB000000FFFF, /* 0x18 user code */
    0x00CFF3000000FFFF, /* 0x20 user data */
};                      /* 0x28 and 0x30: the two TSSs, filled in by gdt_load() */

struct tss tss = {.ss0 = KERNEL_SS, .iomap = sizeof tss};
struct tss fault_tss = {.iomap = sizeof fault_tss};

static uint64_t idt[256];

static const struct table_register gdtr = {sizeof gdt - 1, (uint32_t)gdt};
static const struct table_register idtr = {sizeof idt - 1, (uint32_t)idt};

static uint64_t tss_descriptor(const void *state, uint32_t size) {
  enum { AVAILABLE_TSS = 0x89 };
  uint64_t base = (uint32_t)state;
  return (size - 1) | (base & 0xFFFFFF) << 16 | (uint64_t)AVAILABLE_TSS << 40 | (base >> 24) << 56;
}

void task_load(const void *state, uint32_t size) {
  gdt[TSS_SELECTOR / 8] = tss_descriptor(state, size);
  asm volatile("ltr %w0" ::"r"(TSS_SELECTOR) : "memory");
}

void gdt_load(void) {
  gdt[FAULT_TSS_SELECTOR / 8] = tss_descriptor(&fault_tss, sizeof fault_tss);
  asm volatile("lgdt %0\n"
               "ljmp %1, $1f\n"
               "1: mov %2, %%ss\n mov %3, %%ds\n mov %3, %%es"
               ::"m"(gdtr), "i"(KERNEL_CS), "r"(KERNEL_SS), "r"(USER_SS) : "memory");
  task_load(&tss, sizeof tss);
}

enum { PRESENT = 0x80, INTERRUPT_GATE = 0xE, TASK_GATE = 0x5 };

static uint64_t gate(uint16_t selector, uint32_t offset, int type) {
  return (offset & 0xFFFF) | (uint64_t)selector << 16 | (uint64_t)(PRESENT | type) << 40 | (uint64_t)(offset >> 16) << 48;
}

void gate_set(int vector, void (*entry)(void), int dpl) {
  idt[vector] = gate(KERNEL_CS, (uint32_t)entry, dpl << 5 | INTERRUPT_GATE);
}

void task_gate_set(int vector, uint16_t selector) { idt[vector] = gate(selector, 0, TASK_GATE); }

void idt_load(void) { asm volatile("lidt %0" ::"m"(idtr)); }
