#include "traps.h"
#include "cpu.h"
#include "descriptors.h"
#include "runtime.h"

void (*trap_handler[TRAP_VECTORS])(struct frame *);
volatile struct attempt attempt;

/* Called by the stubs. */
void trap(struct frame *f) {
  if (trap_handler[f->vector]) {
    trap_handler[f->vector](f);
  } else if (attempt.resume) {
    attempt.vector = (int64_t)f->vector;
    attempt.error = (int64_t)f->error;
    f->rip = attempt.resume;
  } else {
    print("unexpected vector %lu, error code 0x%lx, rip 0x%lx, cr2 0x%lx\n", f->vector, f->error, f->rip, read_cr2());
    exit(0x7F);
  }
}

void traps_init(void) {
  for (int v = 0; v < TRAP_VECTORS; v++) gate_set(v, trap_stub[v], 0, 0);
  idt_load();
}
