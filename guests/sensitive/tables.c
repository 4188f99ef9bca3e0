/* Descriptor tables, flags, time, I/O ports, INVLPG and the VMX instructions. */
#include "sensitive.h"
#include "descriptors.h"

void descriptor_tables(void) {
  struct table_register g, i;
  asm volatile("sgdt %0" : "=m"(g));
  asm volatile("sidt %0" : "=m"(i));
  check("sgdt limit", g.limit, sizeof gdt - 1);
  check("sgdt base is ours", g.base == (uint64_t)gdt, 1);
  check("sidt limit", i.limit, 256 * 16 - 1);
  check("sidt base is ours", i.base == idtr.base, 1);

  static uint64_t copy[8];
  memcpy(copy, gdt, sizeof copy);
  const struct table_register other = {sizeof copy - 1, (uint64_t)copy};
  asm volatile("lgdt %0" ::"m"(other));
  asm volatile("sgdt %0" : "=m"(g));
  check("lgdt moved the GDT", g.base == (uint64_t)copy, 1);
  asm volatile("lgdt %0" ::"m"(gdtr));
  const struct table_register shorter = {0x41 * 16 - 1, idtr.base};
  asm volatile("lidt %0" ::"m"(shorter));
  asm volatile("sidt %0" : "=m"(i));
  check("lidt changed the limit", i.limit, 0x41 * 16 - 1);
  asm volatile("lidt %0" ::"m"(idtr));

  uint64_t v;
  asm volatile("lldt %w0" ::"r"(0));
  asm volatile("sldt %0" : "=r"(v));
  check("sldt", v, 0);
  asm volatile("str %0" : "=r"(v));
  check("str", v, TSS_SELECTOR);
  ATTEMPT("ltr %w[v]", : RESUME : [v] "r"(TSS_SELECTOR) : "memory");
  check_fault("ltr of the busy TSS", GP);
  check("its error code", (uint64_t)attempt.error, TSS_SELECTOR);
  ATTEMPT("lldt %w[v]", : RESUME : [v] "r"(KERNEL_SS) : "memory");
  check_fault("lldt of a data segment", GP);
}

static uint64_t rdtsc(void) {
  uint32_t lo, hi;
  asm volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
  return (uint64_t)hi << 32 | lo;
}

void flags_and_time(void) {
  enum { MASK = FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | FLAG_AC | FLAG_ID };
  uint64_t old, v;
  asm volatile("pushf; pop %0\n push %2; popf; pushf; pop %1\n push %0; popf" : "=&r"(old), "=&r"(v) : "r"((uint64_t)MASK | 2) : "memory", "cc");
  check("popf, pushf: IF DF IOPL NT AC ID", v & MASK, MASK);

  uint64_t earlier = rdtsc();
  check("rdtsc increases", rdtsc() > earlier, 1);
  asm volatile("wbinvd" ::: "memory");
  print("wbinvd: done\n");
}

/* The UART's scratch register keeps what is written to it. Wider accesses are split into bytes by the bus. */
void ports(void) {
  enum { SCRATCH = 0x3FF, NOBODY = 0xEC };
  static const uint8_t out[4] = {0x11, 0x22, 0x33, 0x44};
  uint8_t in[4] = {0};
  uint16_t w;
  uint32_t d;

  outb(SCRATCH, 0xA5);
  check("in al", inb(SCRATCH), 0xA5);
  asm volatile("outw %0, %1" ::"a"((uint16_t)0x5A00), "d"((uint16_t)(SCRATCH - 1)));
  check("out ax", inb(SCRATCH), 0x5A);
  asm volatile("inw %1, %0" : "=a"(w) : "d"((uint16_t)(SCRATCH - 1)));
  check("in ax, high byte", w >> 8, 0x5A);
  asm volatile("inl %1, %0" : "=a"(d) : "d"((uint16_t)(SCRATCH - 3)));
  check("in eax, high byte", d >> 24, 0x5A);
  asm volatile("outl %0, %1" ::"a"(0x12345678), "i"(NOBODY));
  asm volatile("inl %1, %0" : "=a"(d) : "i"(NOBODY));
  check("in eax where nobody answers", d, 0xFFFFFFFF);

  const void *from = out;
  void *to = in;
  uint64_t n = sizeof out;
  asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"((uint16_t)SCRATCH) : "memory");
  check("rep outsb", inb(SCRATCH), 0x44);
  check("rep outsb: rcx", n, 0);
  check("rep outsb: rsi", (uint64_t)from - (uint64_t)out, 4);
  n = sizeof in;
  asm volatile("rep insb" : "+D"(to), "+c"(n) : "d"((uint16_t)SCRATCH) : "memory");
  check("rep insb", in[0] == 0x44 && in[1] == 0x44 && in[2] == 0x44 && in[3] == 0x44, 1);
  check("rep insb: rdi", (uint64_t)to - (uint64_t)in, 4);
}

/* DF is 1 while an instruction runs that a monitor emulates, and must be 1 after it. */
void direction(void) {
  uint64_t flags;
  asm volatile("std; outb %%al, $0xE0; pushfq; popq %0; cld" : "=r"(flags) : "a"(0) : "memory");
  check("out with DF = 1: DF", (flags >> 10) & 1, 1);
}

/* One more page at 512 GiB, mapped first to one frame and then to another. */
void page_invalidation(void) {
  static _Alignas(4096) uint64_t pdpt[512], pd[512], pt[512], one[512] = {1}, two[512] = {2};
  enum { PRESENT_WRITE = 3 };
  volatile uint64_t *page = (volatile uint64_t *)0x8000000000;
  uint64_t *pml4 = (uint64_t *)read_cr3();
  pml4[1] = (uint64_t)pdpt | PRESENT_WRITE;
  pdpt[0] = (uint64_t)pd | PRESENT_WRITE;
  pd[0] = (uint64_t)pt | PRESENT_WRITE;

  ATTEMPT("mov (%[p]), %%rax", : RESUME : [p] "r"(page) : "rax", "memory");
  check_fault("read of a page that is not present", PF);
  check("cr2", read_cr2(), (uint64_t)page);
  pt[0] = (uint64_t)one | PRESENT_WRITE;
  invlpg(page);
  check("page", *page, 1);
  pt[0] = (uint64_t)two | PRESENT_WRITE;
  invlpg(page);
  check("page after remapping and invlpg", *page, 2);
}

/* Without VMX, or outside VMX operation, they are undefined. A monitor without nesting must say so too. */
void vmx_instructions(void) {
  static uint64_t region;
  ATTEMPT("vmcall", : RESUME::"memory");
  check_fault("vmcall", UD);
  ATTEMPT("vmxon %[m]", : RESUME : [m] "m"(region) : "memory", "cc");
  check_fault("vmxon", UD);
  ATTEMPT("vmread %%rax, %%rbx", : RESUME : "a"(0) : "rbx", "memory", "cc");
  check_fault("vmread", UD);
}
