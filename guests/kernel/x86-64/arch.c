#include "cpu.h"
#include "descriptors.h"
#include "kernel.h"

void syscall_entry(void);

/* GS points here while the kernel runs; SWAPGS exchanges it with the user's. */
static struct percpu { uint64_t kernel_stack_top, user_rsp; } percpu;

void arch_init(void) {
  gdt_load();
  for (int v = 0; v < VECTORS; v++) gate_set(v, entry_stub[v], v == SYSCALL_VECTOR ? 3 : 0, v == DF ? 1 : 0);
  idt_load();

  wrmsr(MSR_GS_BASE, (uint64_t)&percpu);
  wrmsr(MSR_KERNEL_GS_BASE, 0); /* the user's, until the first SWAPGS */
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
  wrmsr(MSR_STAR, (uint64_t)USER_BASE << 48 | (uint64_t)KERNEL_CS << 32);
  wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
  wrmsr(MSR_FMASK, FLAG_TF | FLAG_IF | FLAG_DF | FLAG_NT | FLAG_AC);
}

void kernel_stack_set(word top) { tss.rsp[0] = percpu.kernel_stack_top = top; }

/* #DF switches to the stack of IST 1. */
void double_fault_stack_set(char *top) { tss.ist[0] = (uint64_t)top; }
