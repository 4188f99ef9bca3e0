/*
 * A monitor that keeps its guest's page tables in sight by a linear page-table window, and what it owes that window: XSA-286 (CVE-2020-27674), rebuilt from
 * the description of its fix, Xen commit 16a20963b3209788f2c0d3a3eebb7d92f03f5883.
 *
 * One PML4 entry names the PML4 itself, so that every page-table entry of the guest has an address in the window. A guest that changes entries above the
 * last level must flush what it had mapped there; with nothing mapped there is nothing to flush. But the monitor itself had used the window, and its
 * translations of the window came from the entries that the guest changed. The flush is therefore the monitor's to make. `fixed=0` leaves it out.
 */
#include "cpu.h"
#include "runtime.h"

typedef uint64_t entry;

enum { PAGE = 4096, ENTRIES = PAGE / sizeof(entry), PRESENT = 1 << 0, WRITE = 1 << 1 };
enum { GUEST_SLOT = 2, WINDOW_SLOT = 258 };
/* Where the guest maps a page, and what it passes for the frames of two. */
#define GUEST_ADDRESS ((word)GUEST_SLOT << 39)
#define WINDOW        ((word)-1 << 48 | (word)WINDOW_SLOT << 39)
enum { FIRST_FRAME = 0x7000000, SECOND_FRAME = 0x7001000 };

static _Alignas(PAGE) entry pdpt[ENTRIES], first_directory[ENTRIES], second_directory[ENTRIES];
static _Alignas(PAGE) entry first_table[ENTRIES], second_table[ENTRIES];
static word fixed;

static entry to(const void *table) { return (word)table | PRESENT | WRITE; }

/* The last-level entry of an address, in the window. */
static volatile entry *window(word address) { return (volatile entry *)(WINDOW + (address >> 9 & 0x7FFFFFFFF8)); }

/* Two requests of the guest: any entry above the last level, by its own address; the last-level entry of an address, with INVLPG when the guest asks. */
static void update_entry(entry *which, entry value) {
  *(volatile entry *)which = value;
  if (fixed) write_cr3(read_cr3());
}
static void update_mapping(word address, entry value) {
  *window(address) = value;
  invlpg((void *)address);
}

int main(const struct multiboot *info) {
  entry *root = (entry *)read_cr3();
  fixed = option(info, "fixed", 1);
  root[WINDOW_SLOT] = to(root);
  root[GUEST_SLOT] = to(pdpt);
  first_directory[0] = to(first_table);
  second_directory[0] = to(second_table);

  /* The guest: two hierarchies, of which one is in use at a time; nothing is present in either before it is in use no more. */
  update_entry(&pdpt[0], to(first_directory));
  update_mapping(GUEST_ADDRESS, FIRST_FRAME);
  update_entry(&pdpt[0], to(second_directory));
  /* The first table is the guest's to use for anything now. */
  update_mapping(GUEST_ADDRESS, SECOND_FRAME);

  print("linear-tables: first table 0x%lx, second table 0x%lx\n", first_table[0], second_table[0]);
  if (first_table[0] == FIRST_FRAME && second_table[0] == SECOND_FRAME) {
    print("linear-tables: done\n");
    return 0;
  }
  print("linear-tables: FAILED, the monitor has written to a page that is no page table any more\n");
  return 1;
}
