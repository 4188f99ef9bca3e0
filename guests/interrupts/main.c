/*
 * The PC's timer through both of its interrupt controllers: the 8254 counts at 1,193,182 Hz; its output is IRQ 0 of the
 * 8259 pair, which the processor hears through LINT0 of its local APIC, and pin 2 of the I/O APIC.
 */
#include "cpu.h"
#include "descriptors.h"
#include "runtime.h"
#include "traps.h"

/* 8259A: command and data ports of the master; the slave's are 0x80 above. */
enum { PIC = 0x20, PIC_SLAVE = 0xA0, PIC_INIT = 0x11, PIC_8086 = 1, PIC_SPECIFIC_EOI = 0x60, CASCADE = 2 };
/* 8254: channel 0, low then high byte. */
enum { PIT_CHANNEL_0 = 0x40, PIT_CONTROL = 0x43, PIT_RATE = 0x34, PIT_ONE_SHOT = 0x30 };
enum { PIC_BASE = 0x20, PIC_SLAVE_BASE = 0x28, IO_APIC_VECTOR = 0x31, IO_APIC_PIN = 2, TICKS = 3 };
enum { APIC_LVT_LINT0 = 0x350, EXTERNAL_INTERRUPT = 7 << 8 };
#define IO_APIC_SELECT (*(volatile uint32_t *)0xFEC00000ul)
#define IO_APIC_WINDOW (*(volatile uint32_t *)0xFEC00010ul)

static volatile unsigned pic_ticks, io_apic_ticks;

static void on_pic(struct frame *f) {
  (void)f;
  pic_ticks++;
  outb(PIC, PIC_SPECIFIC_EOI | 0);
}

static void on_io_apic(struct frame *f) {
  (void)f;
  io_apic_ticks++;
  APIC(APIC_EOI) = 0;
}

static void pic_init(uint8_t mask) {
  outb(PIC, PIC_INIT);
  outb(PIC + 1, PIC_BASE);
  outb(PIC + 1, 1 << CASCADE);
  outb(PIC + 1, PIC_8086);
  outb(PIC_SLAVE, PIC_INIT);
  outb(PIC_SLAVE + 1, PIC_SLAVE_BASE);
  outb(PIC_SLAVE + 1, CASCADE);
  outb(PIC_SLAVE + 1, PIC_8086);
  outb(PIC + 1, mask);
  outb(PIC_SLAVE + 1, 0xFF);
}

static void pit(uint8_t mode, uint16_t count) {
  outb(PIT_CONTROL, mode);
  outb(PIT_CHANNEL_0, (uint8_t)count);
  outb(PIT_CHANNEL_0, (uint8_t)(count >> 8));
}

static void io_apic_write(uint8_t index, uint32_t value) {
  IO_APIC_SELECT = index;
  IO_APIC_WINDOW = value;
}

/* One entry of the redirection table: fixed, edge, to the processor with APIC ID 0. */
static void io_apic_route(uint32_t low) {
  io_apic_write(0x10 + 2 * IO_APIC_PIN + 1, 0);
  io_apic_write(0x10 + 2 * IO_APIC_PIN, low);
}

static void sleep(const char *what, volatile unsigned *ticks, unsigned until) {
  while (*ticks < until) asm volatile("sti; hlt; cli" ::: "memory");
  print("%s: tick %u\n", what, until);
}

int main(void) {
  gdt_load();
  traps_init();
  trap_handler[PIC_BASE] = on_pic;
  trap_handler[IO_APIC_VECTOR] = on_io_apic;
  APIC(APIC_SVR) = 1 << 8 | SPURIOUS_VECTOR;
  io_apic_route(LVT_MASKED);

  APIC(APIC_LVT_LINT0) = EXTERNAL_INTERRUPT;
  pic_init((uint8_t)~1);
  pit(PIT_RATE, 1193); /* about a millisecond */
  for (unsigned n = 1; n <= TICKS; n++) sleep("8259", &pic_ticks, n);
  outb(PIC + 1, 0xFF);
  outb(PIT_CONTROL, PIT_ONE_SHOT); /* its output goes low, and rises when a count has run out */
  APIC(APIC_LVT_LINT0) = LVT_MASKED;
  const unsigned heard = pic_ticks;

  io_apic_route(IO_APIC_VECTOR);
  for (unsigned n = 1; n <= TICKS; n++) {
    pit(PIT_ONE_SHOT, 1193);
    sleep("I/O APIC", &io_apic_ticks, n);
  }
  io_apic_route(LVT_MASKED);
  if (pic_ticks != heard || io_apic_ticks != TICKS) {
    print("interrupts: %u instead of %u from the 8259, %u instead of %u from the I/O APIC\n", pic_ticks, heard, io_apic_ticks, TICKS);
    return 1;
  }
  print("interrupts: done\n");
  return 0;
}
