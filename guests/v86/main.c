/*
 * A kernel that runs a 16-bit program in virtual-8086 mode, three times: at IOPL 0, where CLI, STI, PUSHF, POPF, INT n and IRET
 * fault and the kernel does what they ask; at IOPL 3, where only INT n faults; and, if the CPU offers it, with the
 * virtual-8086 mode extensions, where the CPU keeps the program's interrupt flag in VIF and takes INT n through the program's own table.
 */
#include "cpu.h"
#include "descriptors.h"
#include "runtime.h"
#include <stdbool.h>

struct frame {
  uint32_t di, si, bp, kernel_sp, bx, dx, cx, ax;
  uint32_t vector, error;
  uint32_t ip, cs, flags;
  uint32_t sp, ss, es, ds, fs, gs; /* from virtual-8086 mode only */
};

enum { VECTORS = 0x41, SEGMENT = 0x1000, FLAG_VM = 1 << 17, FLAG_VIF = 1 << 19, IOPL3 = 3 << 12, CR4_VME = 1 << 0, CR4_PSE = 1 << 4 };
enum { UART = 0x3F8, UART_PORTS = 8, FORBIDDEN = 0x71, SECRET = 0x5A, TIMER_COUNT = 100000 };

extern void (*const entry_stub[VECTORS])(void);
extern const char program[], program_end[], program_ticks[];
void v86_enter(struct frame *f);
_Noreturn void v86_leave(void);

/* The TSS with what VME and the I/O permission bitmap add: 32 bytes for INT n, then a bit for each port. */
struct {
  struct tss tss;
  uint8_t redirection[32], ports[0x2000], end;
} __attribute__((packed, aligned(4096))) task = {.tss = {.ss0 = KERNEL_SS, .iomap = sizeof(struct tss) + 32}, .end = 0xFF};

/* 32-bit paging: the first 4 MiB by 4-KiB pages, the user's below 1 MiB; all else by pages of 4 MiB, the kernel's. */
static _Alignas(4096) uint32_t directory[1024], low[1024];

/* Who keeps the program's interrupt flag: the kernel in `flag`, or the processor in IF or VIF. */
static enum { BY_KERNEL, IN_IF, IN_VIF } kept;
static bool flag;
static struct { unsigned faults, ints, ports, ticks; } seen;

static uint8_t *linear(uint32_t segment, uint32_t offset) { return (uint8_t *)((segment & 0xFFFF) * 16 + (offset & 0xFFFF)); }

static void push(struct frame *f, uint16_t value) {
  f->sp = (f->sp & ~0xFFFFu) | ((f->sp - 2) & 0xFFFF);
  *(uint16_t *)linear(f->ss, f->sp) = value;
}
static uint16_t pop(struct frame *f) {
  uint16_t value = *(uint16_t *)linear(f->ss, f->sp);
  f->sp = (f->sp & ~0xFFFFu) | ((f->sp + 2) & 0xFFFF);
  return value;
}

static uint32_t flag_mask(void) { return kept == IN_VIF ? FLAG_VIF : FLAG_IF; }
static bool flag_get(const struct frame *f) { return kept == BY_KERNEL ? flag : (f->flags & flag_mask()) != 0; }
static void flag_set(struct frame *f, bool on) {
  if (kept == BY_KERNEL) flag = on;
  else f->flags = on ? f->flags | flag_mask() : f->flags & ~flag_mask();
}

static uint16_t flags_image(const struct frame *f) {
  return (uint16_t)((f->flags & ~(uint32_t)FLAG_IF) | (flag_get(f) ? FLAG_IF : 0) | IOPL3);
}
static void flags_set(struct frame *f, uint16_t image) {
  enum { SETTABLE = 0x4DD5 }; /* status flags, TF, DF, NT */
  f->flags = (f->flags & ~(uint32_t)SETTABLE) | (image & SETTABLE);
  flag_set(f, image & FLAG_IF);
}

/* As the CPU does in real mode. */
static void interrupt(struct frame *f, unsigned vector) {
  const uint16_t *entry = (const uint16_t *)linear(0, 4 * vector);
  push(f, flags_image(f));
  push(f, (uint16_t)f->cs);
  push(f, (uint16_t)f->ip);
  flag_set(f, false);
  f->ip = entry[0];
  f->cs = entry[1];
}

/* What the faulting instruction asks for; false when it is none of the kernel's business. */
static bool emulate(struct frame *f) {
  const uint8_t *code = linear(f->cs, f->ip);
  seen.faults++;
  switch (code[0]) {
    case 0xFA: flag_set(f, false); f->ip += 1; return true;
    case 0xFB: flag_set(f, true); f->ip += 1; return true;
    case 0x9C: push(f, flags_image(f)); f->ip += 1; return true;
    case 0x9D: flags_set(f, pop(f)); f->ip += 1; return true;
    case 0xCD: seen.ints++; f->ip += 2; interrupt(f, code[1]); return true;
    case 0xCF:
      f->ip = pop(f);
      f->cs = pop(f);
      flags_set(f, pop(f));
      return true;
    case 0xE4:
      if (code[1] != FORBIDDEN) return false;
      seen.ports++;
      f->ax = (f->ax & ~0xFFu) | SECRET;
      f->ip += 2;
      return true;
    case 0xF4: v86_leave();
    default: return false;
  }
}

/* Called by entry.asm. */
void trap(struct frame *f) {
  const bool from_program = f->flags & FLAG_VM;
  if (f->vector == TIMER_VECTOR) {
    APIC(APIC_EOI) = 0;
    seen.ticks++;
    if (from_program) ++*linear(SEGMENT, (uint32_t)(program_ticks - program));
    return;
  }
  if (from_program && f->vector == GP && emulate(f)) return;
  if (from_program && (f->vector == GP || f->vector == DE)) return interrupt(f, f->vector);
  print("v86: vector %u, error code 0x%x at %x:%x, cr2 0x%lx\n", f->vector, f->error, f->cs, f->ip, read_cr2());
  exit(2);
}

static void paging_init(void) {
  enum { P = 1, W = 2, U = 4, PCD = 1 << 4, PS = 1 << 7, USER_PAGES = 0x100, APIC_PAGE = 0xFEC00000u >> 22 };
  for (uint32_t i = 0; i < 1024; i++) {
    low[i] = i << 12 | P | W | (i < USER_PAGES ? U : 0);
    directory[i] = i << 22 | P | W | PS | (i == APIC_PAGE ? PCD : 0);
  }
  directory[0] = (uint32_t)low | P | W | U;
  write_cr4(read_cr4() | CR4_PSE);
  write_cr3((word)directory);
  write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

static void task_init(void) {
  memset(task.ports, 0xFF, sizeof task.ports);
  for (int port = UART; port < UART + UART_PORTS; port++) task.ports[port / 8] &= (uint8_t)~(1 << port % 8);
  memset(task.redirection, 0xFF, sizeof task.redirection);
  task_load(&task, sizeof task);
}

static void run(const char *how, uint32_t flags, uint32_t cr4) {
  memcpy(linear(SEGMENT, 0), program, (size_t)(program_end - program));
  seen.faults = seen.ints = seen.ports = seen.ticks = 0;
  flag = true;
  kept = cr4 & CR4_VME ? IN_VIF : flags & IOPL3 ? IN_IF : BY_KERNEL;
  print("%s\n", how);
  /* INT 0x21 through the program's own table */
  if (cr4 & CR4_VME) task.redirection[0x21 / 8] &= (uint8_t)~(1 << 0x21 % 8);
  write_cr4(read_cr4() | cr4);
  APIC(APIC_INITIAL) = TIMER_COUNT;
  struct frame f = {.cs = SEGMENT, .ss = SEGMENT, .sp = 0x1000, .flags = FLAG_VM | FLAG_IF | flags};
  v86_enter(&f);
  APIC(APIC_INITIAL) = 0;
  write_cr4(read_cr4() & ~(word)cr4);
  print("  %u faults, %u INT n, %u port accesses emulated, %s\n", seen.faults, seen.ints, seen.ports,
        seen.ticks < 3 ? "too few interrupts" : "interrupted");
}

int main(void) {
  gdt_load();
  for (int v = 0; v < VECTORS; v++) gate_set(v, entry_stub[v], 0);
  idt_load();
  paging_init();
  task_init();

  outb(0x21, 0xFF); /* both 8259 PICs: mask everything */
  outb(0xA1, 0xFF);
  APIC(APIC_SVR) = 1 << 8 | SPURIOUS_VECTOR;
  APIC(APIC_DIVIDE) = DIVIDE_BY_1;
  APIC(APIC_LVT_TIMER) = TIMER_PERIODIC | TIMER_VECTOR;

  run("IOPL 0: everything sensitive faults", 0, 0);
  run("IOPL 3: INT n faults", IOPL3, 0);
  if (cpuid(1, 0).edx >> 1 & 1) run("IOPL 0 with VME: the processor keeps the flag and finds the handler", FLAG_VIF, CR4_VME);
  else print("no virtual-8086 mode extensions\n");
  print("v86: done\n");
  return 0;
}
