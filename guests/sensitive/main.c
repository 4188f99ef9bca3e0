/*
 * Executes the sensitive instructions and prints what they show. Under a monitor the output must be the same as on the
 * bare machine: that is Popek and Goldberg's equivalence. Lines that may differ (CPUID's VMX and hypervisor
 * bits) are marked "may differ". Each check compares with what the manual says.
 */
#include "sensitive.h"
#include "descriptors.h"

static unsigned checks, failed;

void check(const char *what, uint64_t got, uint64_t expected) {
  checks++;
  if (got == expected) {
    print("%s = 0x%lx\n", what, got);
  } else {
    failed++;
    print("%s = 0x%lx  FAILED, expected 0x%lx\n", what, got, expected);
  }
}

static const char *name(int64_t vector) {
  switch (vector) {
    case NO_FAULT: return "no fault";
    case UD: return "#UD";
    case GP: return "#GP";
    case NM: return "#NM";
    case PF: return "#PF";
    default: return "another vector";
  }
}

void check_fault(const char *what, int64_t vector) {
  checks++;
  if (attempt.vector == vector) {
    print("%s: %s\n", what, name(vector));
  } else {
    failed++;
    print("%s: %s  FAILED, expected %s\n", what, name(attempt.vector), name(vector));
  }
}

void skip(const char *what) { print("%s: not in CPUID, skipped\n", what); }

static void show_leaf(uint32_t leaf, struct cpuid r) {
  print("cpuid %8x: eax %8x ebx %8x ecx %8x edx %8x\n", leaf, r.eax, r.ebx, r.ecx, r.edx);
}

static void cpuid_leaves(void) {
  enum { APIC_ID = 0xFF << 24, VMX = 1 << 5, HYPERVISOR = 1u << 31 };
  struct cpuid r = cpuid(0, 0);
  uint32_t max = r.eax;
  uint32_t vendor[4] = {r.ebx, r.edx, r.ecx, 0};
  show_leaf(0, r);
  print("vendor %s\n", (const char *)vendor);

  r = cpuid(1, 0);
  print("cpuid.1:ecx.vmx %u, ecx.hypervisor %u (may differ)\n", r.ecx >> 5 & 1, r.ecx >> 31);
  r.ebx &= ~(uint32_t)APIC_ID;
  r.ecx &= ~(uint32_t)(VMX | HYPERVISOR);
  show_leaf(1, r);
  if (max >= 7) show_leaf(7, cpuid(7, 0));

  max = cpuid(0x80000000, 0).eax;
  for (uint32_t leaf = 0x80000000; leaf <= max && leaf <= 0x80000008; leaf++) show_leaf(leaf, cpuid(leaf, 0));
}

int main(void) {
  gdt_load();
  traps_init();
  outb(0x21, 0xFF); /* both 8259 PICs: mask everything */
  outb(0xA1, 0xFF);

  cpuid_leaves();
  msrs();
  control_registers();
  debug_registers();
  extended_state();
  descriptor_tables();
  flags_and_time();
  ports();
  direction();
  page_invalidation();
  vmx_instructions();
  user_mode();

  print("sensitive: %u checks, %u failed\n", checks, failed);
  return failed != 0;
}
