/* One-instruction wrappers: ports, MSRs, control registers, CPUID. */
#pragma once
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t v) { asm volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) {
  uint8_t v;
  asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
  return v;
}

static inline uint64_t rdmsr(uint32_t msr) {
  uint32_t lo, hi;
  asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
  return (uint64_t)hi << 32 | lo;
}
static inline void wrmsr(uint32_t msr, uint64_t v) {
  asm volatile("wrmsr" ::"a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(msr) : "memory");
}

struct cpuid { uint32_t eax, ebx, ecx, edx; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
  struct cpuid r;
  asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
  return r;
}

/* read_cr0() / write_cr0(v) and so on, of a register's width; the same for the debug registers. */
#define REGISTER(name)                                                                       \
  static inline unsigned long read_##name(void) {                                            \
    unsigned long v;                                                                         \
    asm volatile("mov %%" #name ", %0" : "=r"(v)::"memory");                                 \
    return v;                                                                                \
  }                                                                                          \
  static inline void write_##name(unsigned long v) { asm volatile("mov %0, %%" #name ::"r"(v) : "memory"); }
REGISTER(cr0) REGISTER(cr2) REGISTER(cr3) REGISTER(cr4)
#ifdef __x86_64__
REGISTER(cr8)
#endif
REGISTER(dr0) REGISTER(dr1) REGISTER(dr2) REGISTER(dr3) REGISTER(dr6) REGISTER(dr7)

static inline void invlpg(const volatile void *p) { asm volatile("invlpg %0" ::"m"(*(const volatile char *)p) : "memory"); }

enum { CR0_TS = 1 << 3, CR0_AM = 1 << 18, CR0_WP = 1 << 16 };
#define CR0_PG (1ul << 31)
enum { CR4_DE = 1 << 3, CR4_PGE = 1 << 7, CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21 };
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };
enum { FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_IOPL = 3 << 12, FLAG_NT = 1 << 14, FLAG_AC = 1 << 18, FLAG_ID = 1 << 21 };

#define MSR_APIC_BASE      0x1Bu
#define MSR_SYSENTER_CS    0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_PAT            0x277u
#define MSR_EFER           0xC0000080u
#define MSR_STAR           0xC0000081u
#define MSR_LSTAR          0xC0000082u
#define MSR_FMASK          0xC0000084u
#define MSR_FS_BASE        0xC0000100u
#define MSR_GS_BASE        0xC0000101u
#define MSR_KERNEL_GS_BASE 0xC0000102u
#define MSR_TSC_AUX        0xC0000103u

enum { DE = 0, DB = 1, UD = 6, NM = 7, DF = 8, GP = 13, PF = 14, AC = 17 };

/* The local APIC in xAPIC mode; offsets in its page. */
enum { APIC_TPR = 0x80, APIC_EOI = 0xB0, APIC_SVR = 0xF0, APIC_LVT_TIMER = 0x320, APIC_INITIAL = 0x380, APIC_CURRENT = 0x390, APIC_DIVIDE = 0x3E0 };
enum { TIMER_VECTOR = 0x20, SPURIOUS_VECTOR = 0x3F, TIMER_PERIODIC = 1 << 17, LVT_MASKED = 1 << 16, DIVIDE_BY_1 = 0xB };
#define APIC(reg) (*(volatile uint32_t *)(0xFEE00000ul + (reg)))
