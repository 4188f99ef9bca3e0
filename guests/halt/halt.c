/*
 * The lecture's example: sleep until the timer wakes us.
 *
 * STI holds interrupts off for one more instruction. So the interrupt cannot slip in between STI and HLT,
 * which would leave us asleep after the only wake-up call.
 */
#include "cpu.h"
#include "descriptors.h"
#include "runtime.h"
#include "traps.h"

static volatile unsigned ticks;

static void on_timer(struct frame *f) {
  (void)f;
  ticks++;
  APIC(APIC_EOI) = 0;
}

int main(void) {
  gdt_load();
  traps_init();
  trap_handler[TIMER_VECTOR] = on_timer;

  outb(0x21, 0xFF); /* both 8259 PICs: mask everything */
  outb(0xA1, 0xFF);
  APIC(APIC_SVR) = 1 << 8 | SPURIOUS_VECTOR; /* software-enable the APIC */
  APIC(APIC_DIVIDE) = DIVIDE_BY_1;
  APIC(APIC_LVT_TIMER) = TIMER_VECTOR; /* one-shot */

  for (unsigned n = 1; n <= 3; n++) {
    APIC(APIC_INITIAL) = 100000; /* arms the timer */
    asm volatile("sti; hlt; cli" ::: "memory");
    if (ticks != n) {
      print("woke up after %u ticks instead of %u\n", ticks, n);
      return 1;
    }
    print("tick %u\n", ticks);
  }
  return 0;
}
