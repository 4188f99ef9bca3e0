/*
 * The same at CPL 3. Here x86 before VT-x fell short of Popek and Goldberg's theorem: some sensitive instructions
 * do not trap. POPF ignores IF without a word, SGDT, SIDT, SLDT, STR and SMSW tell user programs about the kernel.
 */
#include "sensitive.h"
#include "descriptors.h"

enum { PAGE_USER = 1 << 2, BACK = 0x40, CR4_UMIP = 1 << 11 };

static uint64_t kernel_rsp;
static uint8_t kernel_stack[4096], user_stack[4096];

/* Vector BACK, a gate of DPL 3: leave ring 3 by returning to the kernel that waits in user(). */
static void back(struct frame *f) {
  f->cs = KERNEL_CS;
  f->ss = KERNEL_SS;
  f->rsp = kernel_rsp;
  f->rflags &= ~(uint64_t)FLAG_IOPL;
}

/* Runs the instructions at CPL 3 and comes back. */
#define USER(code, ...)                                                                            \
  ATTEMPT("mov %%rsp, %[save]\n push %[ss]\n push %[stack]\n push $2\n push %[cs]\n push $2f\n"    \
          "iretq\n"                                                                                \
          "2: movq $1f, %[resume]\n" code "\n1: int %[back]\n",                                    \
          : RESUME, [save] "=m"(kernel_rsp) __VA_ARGS__                                            \
          : [ss] "i"(USER_SS), [stack] "r"(user_stack + sizeof user_stack), [cs] "i"(USER_CS), [back] "i"(BACK) \
          : "rax", "rcx", "rdx", "rbx", "memory", "cc")

/* U = 1 on every level of the identity map. */
static void open_memory(void) {
  uint64_t *pml4 = (uint64_t *)read_cr3();
  pml4[0] |= PAGE_USER;
  uint64_t *pdpt = (uint64_t *)(pml4[0] & ~0xFFFul);
  pdpt[0] |= PAGE_USER;
  uint64_t *pd = (uint64_t *)(pdpt[0] & ~0xFFFul);
  pd[0] |= PAGE_USER;
  write_cr3((uint64_t)pml4);
}

static uint64_t result;
#define RESULT , [result] "=m"(result)

void user_mode(void) {
  open_memory();
  tss.rsp[0] = (uint64_t)kernel_stack + sizeof kernel_stack;
  trap_handler[BACK] = back;
  gate_set(BACK, trap_stub[BACK], 3, 0);

  USER("mov %%cs, %%eax\n mov %%rax, %[result]", RESULT);
  check("CPL 3: cs", result, USER_CS);

  USER("hlt");
  check_fault("CPL 3: hlt", GP);
  USER("cli");
  check_fault("CPL 3: cli", GP);
  USER("mov %%cr0, %%rax");
  check_fault("CPL 3: mov from cr0", GP);
  USER("xor %%ecx, %%ecx\n rdmsr");
  check_fault("CPL 3: rdmsr", GP);
  USER("in $0x80, %%al");
  check_fault("CPL 3: in", GP);
  USER("lgdt gdtr");
  check_fault("CPL 3: lgdt", GP);
  USER("int $0x20");
  check_fault("CPL 3: int through a gate of DPL 0", GP);

  USER("pushf\n orl $0x200, (%%rsp)\n popf\n pushf\n pop %%rax\n mov %%rax, %[result]", RESULT);
  check_fault("CPL 3: popf with IF = 1", NO_FAULT);
  check("CPL 3: IF after it", result & FLAG_IF, 0);
  USER("smsw %%rax\n mov %%rax, %[result]", RESULT);
  check_fault("CPL 3: smsw", NO_FAULT);
  check("CPL 3: smsw shows cr0", (result ^ read_cr0()) & 0xFFFF, 0);
  USER("str %%rax\n mov %%rax, %[result]", RESULT);
  check("CPL 3: str shows TR", result, TSS_SELECTOR);

  if (!(cpuid(7, 0).ecx >> 2 & 1)) return skip("UMIP");
  write_cr4(read_cr4() | CR4_UMIP);
  USER("smsw %%rax");
  check_fault("CPL 3: smsw with cr4.UMIP = 1", GP);
  write_cr4(read_cr4() & ~(uint64_t)CR4_UMIP);
}
