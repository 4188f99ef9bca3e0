/*
 * A mini kernel: two ring-3 tasks, preempted by the APIC timer, with memory on demand.
 * The kernel itself runs with IF = 0, so the timer interrupts user code only.
 */
#include "cpu.h"
#include "descriptors.h"
#include "kernel.h"
#include "runtime.h"
#include "user.h"

enum { TIMER_COUNT = 50000, KERNEL_STACK = 8192, KILLED = -1 };

void task1(void), task2(void); /* user.c */

struct task task[TASKS + 1];
struct task *current = &task[0];

static _Alignas(16) uint8_t kernel_stack[TASKS + 1][KERNEL_STACK];

static int id(const struct task *t) { return (int)(t - task); }

static void run(struct task *next) {
  struct task *previous = current;
  if (next == previous) return;
  current = next;
  kernel_stack_set(next->kernel_stack_top);
  write_cr3(next->cr3); /* drops the translations that are not global */
  switch_stacks(&previous->sp, next->sp);
}

/* Round robin; the boot thread goes on when no task is ready. */
static void schedule(void) {
  for (int i = 1; i <= TASKS; i++) {
    struct task *t = &task[(id(current) + i - 1) % TASKS + 1];
    if (t->state == READY) return run(t);
  }
  run(&task[0]);
}

static void leave(int code) {
  current->state = DEAD;
  current->exit_code = code;
  schedule();
}

static long write(word text) {
  char line[128];
  long n = copy_string_from_user(line, text, sizeof line);
  if (n >= 0) print("task %u: %s\n", (unsigned)id(current), line);
  return n;
}

/* Wait for a task to end. */
static long join(word who) {
  if (who < 1 || who > TASKS || &task[who] == current) return -1;
  while (task[who].state != DEAD) schedule();
  return task[who].exit_code;
}

/* Called by entry.asm, for SYSCALL, and by trap(), for INT 0x80. */
void syscall(struct frame *f) {
  long result = 0;
  switch (f->ax) {
    case SYS_WRITE: result = write(f->di); break;
    case SYS_YIELD: schedule(); break;
    case SYS_EXIT: leave((int)f->di); break;
    case SYS_JOIN: result = join(f->di); break;
    case SYS_ON_FAULT: current->on_fault = f->di; break;
    default: result = -1;
  }
  f->ax = (word)result;
}

/* Report a task's exception; then skip it or kill the task. */
static void user_fault(struct frame *f) {
  static const char *const name[32] = {[DE] = "#DE", [DB] = "#DB", [UD] = "#UD", [GP] = "#GP", [PF] = "#PF", [AC] = "#AC"};
  const char *fault = f->vector < 32 && name[f->vector] ? name[f->vector] : "exception";
  print("task %u: %s, error code %lu: %s\n", (unsigned)id(current), fault, (word)f->error, current->on_fault ? "skipped" : "killed");
  if (!current->on_fault) return leave(KILLED);
  f->ip = current->on_fault;
  current->on_fault = 0;
}

/* Called by entry.asm. */
void trap(struct frame *f) {
  bool from_user = f->cs & 3;
  if (f->vector == TIMER_VECTOR) {
    APIC(APIC_EOI) = 0;
    current->preemptions++;
    return schedule();
  }
  if (f->vector == SYSCALL_VECTOR) return syscall(f);
  if (f->vector == SPURIOUS_VECTOR) return;
  enum { PAGE_WAS_PRESENT = 1 };
  if (f->vector == PF && !(f->error & PAGE_WAS_PRESENT) && demand_page(read_cr2())) return;
  if (from_user) return user_fault(f);
  if (probe_fault(f)) return;
  print("kernel: vector %lu, error code 0x%lx, ip 0x%lx, cr2 0x%lx\n", (word)f->vector, (word)f->error, (word)f->ip, read_cr2());
  exit(2);
}

static void task_new(struct task *t, void (*entry)(void)) {
  t->kernel_stack_top = (word)kernel_stack[id(t)] + KERNEL_STACK;
  t->cr3 = address_space_new();
  t->state = READY;

  /* As if the task had just been interrupted before its first instruction: switch_stacks() returns to trap_return. */
  struct frame *f = (struct frame *)t->kernel_stack_top - 1;
  *f = (struct frame){.ip = (word)entry, .cs = USER_CS, .flags = FLAG_IF, .sp = STACK_TOP - 8, .ss = USER_SS};
  word *stack = (word *)f;
  *--stack = (word)trap_return;
  t->sp = (word)(stack - SAVED_BY_SWITCH);
}

static void timer_start(void) {
  outb(0x21, 0xFF); /* both 8259 PICs: mask everything */
  outb(0xA1, 0xFF);
  APIC(APIC_SVR) = 1 << 8 | SPURIOUS_VECTOR;
  APIC(APIC_DIVIDE) = DIVIDE_BY_1;
  APIC(APIC_LVT_TIMER) = TIMER_PERIODIC | TIMER_VECTOR;
  APIC(APIC_INITIAL) = TIMER_COUNT;
}

int main(void) {
  arch_init();
  memory_init();
  probes();

  task[0].cr3 = read_cr3();
  task_new(&task[1], task1);
  task_new(&task[2], task2);
  timer_start();
  schedule(); /* comes back when both tasks are dead */
  APIC(APIC_LVT_TIMER) = LVT_MASKED;

  for (int i = 1; i <= TASKS; i++) {
    const struct task *t = &task[i];
    print("kernel: task %u %s, %u pages on demand, %s\n", (unsigned)i, t->exit_code == KILLED ? "killed" : "exited", t->demand_pages,
          t->preemptions ? "preempted" : "never preempted");
    if (!t->preemptions) return 6;
  }
  if (task[1].exit_code != 0 || task[2].exit_code != KILLED) return 7;
  print("kernel: done\n");
  return 0;
}
