#include "descriptors.h"

uint64_t gdt[8] = {
    0,
    0x00209B0000000000, /* 0x08 kernel code, 64-bit */
    0x00CF93000000FFFF, /* 0x10 kernel data */
    0x00CFFB000000FFFF, /* 0x18 user code, 32-bit (only SYSRET's arithmetic needs it) */
    0x00CFF3000000FFFF, /* 0x20 user data */
    0x0020FB0000000000, /* 0x28 user code, 64-bit */
};                      /* 0x30 TSS, two entries, filled in by gdt_load() */

struct tss tss = {.iomap = sizeof tss};

static struct gate {
  uint16_t offset_low, selector;
  uint8_t ist, type;
  uint16_t offset_mid;
  uint32_t offset_high, reserved;
} idt[256];

const struct table_register gdtr = {sizeof gdt - 1, (uint64_t)gdt};
const struct table_register idtr = {sizeof idt - 1, (uint64_t)idt};

void gdt_load(void) {
  uint64_t base = (uint64_t)&tss;
  enum { AVAILABLE_TSS = 0x89 };
  gdt[6] = (sizeof tss - 1) | (base & 0xFFFFFF) << 16 | (uint64_t)AVAILABLE_TSS << 40 | (base >> 24 & 0xFF) << 56;
  gdt[7] = base >> 32;
  asm volatile("lgdt %0\n"
               "push %1\n" /* a far return is the way to load CS */
               "push $1f\n"
               "lretq\n"
               "1: mov %2, %%ds\n mov %2, %%es\n mov %2, %%ss\n"
               "ltr %w3"
               ::"m"(gdtr), "i"(KERNEL_CS), "r"(KERNEL_SS), "r"(TSS_SELECTOR) : "memory");
}

void gate_set(int vector, void (*entry)(void), int dpl, int ist) {
  enum { PRESENT = 0x80, INTERRUPT_GATE = 0xE };
  uint64_t offset = (uint64_t)entry;
  idt[vector] = (struct gate){(uint16_t)offset, KERNEL_CS, (uint8_t)ist, (uint8_t)(PRESENT | dpl << 5 | INTERRUPT_GATE),
                              (uint16_t)(offset >> 16), (uint32_t)(offset >> 32), 0};
}

void idt_load(void) { asm volatile("lidt %0" ::"m"(idtr)); }
