#include "cpu.h"
#include "descriptors.h"
#include "kernel.h"

void sysenter_entry(void);
void double_fault_task(void);

void arch_init(void) {
  gdt_load();
  for (int v = 0; v < VECTORS; v++) gate_set(v, entry_stub[v], v == SYSCALL_VECTOR ? 3 : 0);
  task_gate_set(DF, FAULT_TSS_SELECTOR);
  idt_load();

  wrmsr(MSR_SYSENTER_CS, KERNEL_CS);
  wrmsr(MSR_SYSENTER_EIP, (word)sysenter_entry);
}

void kernel_stack_set(word top) {
  tss.esp0 = top;
  wrmsr(MSR_SYSENTER_ESP, top);
}

/* #DF switches to a task of its own. A task switch loads CR3 and never saves it: the way back needs it too. */
void double_fault_stack_set(char *top) {
  fault_tss.esp = (word)top;
  tss.cr3 = fault_tss.cr3 = read_cr3();
  fault_tss.eip = (word)double_fault_task;
  fault_tss.eflags = 2;
  fault_tss.cs = KERNEL_CS;
  fault_tss.ss = KERNEL_SS;
  fault_tss.ds = fault_tss.es = USER_SS;
}

/* In that task: the TSS of the interrupted one holds its registers, and IRET goes back to them. */
void double_fault(const word *error) {
  struct frame f = {.vector = DF, .error = *error, .ip = tss.eip, .kernel_sp = (word)error};
  if (!probe_fault(&f)) double_fault_unexpected();
  tss.eip = f.ip;
}
