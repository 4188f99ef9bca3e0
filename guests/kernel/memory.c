/*
 * Address spaces. What the first table maps at boot is the same in all: the kernel (global pages), the user programs' code and
 * shared data, and the APIC. Heap and stack, under entries of their own, are a task's: each page mapped when it is first touched.
 */
#include "cpu.h"
#include "kernel.h"
#include "runtime.h"
#include "user.h"

#define PTE_P   ((pte)1 << 0)
#define PTE_W   ((pte)1 << 1)
#define PTE_U   ((pte)1 << 2)
#define PTE_PWT ((pte)1 << 3)
#define PTE_PCD ((pte)1 << 4)
#define PTE_PS  ((pte)1 << 7)
#define PTE_G   ((pte)1 << 8)

enum { FRAMES = 96, ENTRIES = 1 << INDEX_BITS, IMAGE = 0x100000, APIC_BASE = 0xFEE00000u };

extern char rodata_start[], user_text_start[], user_data_start[], user_data_end[], kernel_end[];

bool has_smep, has_smap, has_nx, has_pge;
_Alignas(PAGE_SIZE) char guard_page[PAGE_SIZE]; /* never mapped: an overflowing kernel stack lands here */

static _Alignas(PAGE_SIZE) uint8_t pool[FRAMES][PAGE_SIZE];
static int frames_used;
static pte *kernel_table;

static pte *frame_new(void) {
  if (frames_used == FRAMES) {
    print("out of memory\n");
    exit(3);
  }
  return (pte *)memset(pool[frames_used++], 0, PAGE_SIZE);
}

/* The entry for an address in a table of `last_level`, with the tables above it; level 2 gives the one of a large page. */
static pte *entry_for(pte *table, word address, int last_level) {
  for (int level = LEVELS;; level--) {
    pte *entry = &table[address >> (12 + INDEX_BITS * (level - 1)) & (ENTRIES - 1)];
    if (level == last_level) return entry;
    if (!(*entry & PTE_P)) *entry = (word)frame_new() | TABLE_FLAGS(level);
    table = (pte *)(word)(*entry & PTE_ADDRESS);
  }
}

static pte permissions(word address) {
  pte global = has_pge ? PTE_G : 0, nx = has_nx ? PTE_NX : 0;
  if (address == (word)guard_page) return 0;
  if (address < (word)rodata_start) return PTE_P | global;                         /* code */
  if (address < (word)user_text_start) return PTE_P | global | nx;                 /* constants */
  if (address < (word)user_data_start) return PTE_P | PTE_U;                       /* user code */
  if (address < (word)user_data_end) return PTE_P | PTE_U | PTE_W | nx;            /* shared user data */
  return PTE_P | PTE_W | global | nx;                                                  /* data, stacks, pool */
}

void memory_init(void) {
  uint32_t max = cpuid(0, 0).eax;
  uint32_t leaf7 = max >= 7 ? cpuid(7, 0).ebx : 0;
  has_smep = leaf7 >> 7 & 1;
  has_smap = leaf7 >> 20 & 1;
  has_pge = cpuid(1, 0).edx >> 13 & 1;
  has_nx = OFFERS_NX && cpuid(0x80000000, 0).eax >= 0x80000001 && cpuid(0x80000001, 0).edx >> 20 & 1;

  /* NX is a reserved bit until EFER.NXE = 1. */
  if (has_nx) wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);

  kernel_table = frame_new();
  for (word a = IMAGE; a < (word)kernel_end; a += PAGE_SIZE) {
    pte flags = permissions(a);
    if (flags) *entry_for(kernel_table, a, 1) = a | flags;
  }
  const word apic = APIC_BASE & -LARGE_PAGE;
  *entry_for(kernel_table, apic, 2) = apic | PTE_PS | PTE_P | PTE_W | PTE_PWT | PTE_PCD | (has_nx ? PTE_NX : 0);
  write_cr4(read_cr4() | PAGING_CR4);
  write_cr3((word)kernel_table);

  write_cr0(read_cr0() | CR0_PG | CR0_WP);
  write_cr4(read_cr4() | (has_pge ? CR4_PGE : 0) | (has_smep ? CR4_SMEP : 0) | (has_smap ? CR4_SMAP : 0));
}

word address_space_new(void) {
  pte *table = frame_new();
  memcpy(table, kernel_table, ENTRIES * sizeof *table);
  /* With PAE the first table is read when CR3 is loaded, and not again. */
  entry_for(table, HEAP, 1);
  entry_for(table, STACK_TOP - PAGE_SIZE, 1);
  return (word)table;
}

static bool on_heap(word a) { return a >= HEAP && a < HEAP + HEAP_SIZE; }
static bool on_stack(word a) { return a >= STACK_TOP - STACK_SIZE && a < STACK_TOP; }

/* Map a fresh page at a user address that has none yet. */
bool demand_page(word address) {
  if (!on_heap(address) && !on_stack(address)) return false;
  pte *entry = entry_for((pte *)current->cr3, address, 1);
  *entry = (word)frame_new() | PTE_P | PTE_W | PTE_U | (has_nx ? PTE_NX : 0);
  current->demand_pages++;
  return true; /* an entry that was not present is not in the TLB: no INVLPG */
}

static bool is_user(word a) {
  return (a >= (word)user_text_start && a < (word)user_data_end) || on_heap(a) || on_stack(a);
}

/* With SMAP the kernel may touch user pages only between STAC and CLAC. Page faults on the way are demand-filled. */
long copy_string_from_user(char *to, word from, long size) {
  long n = -1;
  if (has_smap) asm volatile("stac" ::: "memory", "cc");
  for (long i = 0; i < size && is_user(from + (word)i); i++) {
    to[i] = *(const volatile char *)(from + (word)i);
    if (!to[i]) {
      n = i;
      break;
    }
  }
  if (has_smap) asm volatile("clac" ::: "memory", "cc");
  return n;
}
