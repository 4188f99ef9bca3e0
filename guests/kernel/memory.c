/*
 * Address spaces. PML4[0] is the same in all: the kernel (global pages), the user programs' code and shared data,
 * and the APIC. PML4[1] is a task's own: heap and stack, each page mapped when it is first touched.
 */
#include "cpu.h"
#include "kernel.h"
#include "runtime.h"

#define PTE_P   (1ul << 0)
#define PTE_W   (1ul << 1)
#define PTE_U   (1ul << 2)
#define PTE_PWT (1ul << 3)
#define PTE_PCD (1ul << 4)
#define PTE_PS  (1ul << 7)
#define PTE_G   (1ul << 8)
#define PTE_NX  (1ul << 63)
#define PTE_ADDRESS 0x000FFFFFFFFFF000ul

enum { FRAMES = 96, IMAGE = 0x100000, APIC_BASE = 0xFEE00000u };

extern char rodata_start[], user_text_start[], user_data_start[], user_data_end[], kernel_end[];

bool has_smep, has_smap, has_nx, has_pge;
_Alignas(PAGE_SIZE) char guard_page[PAGE_SIZE]; /* never mapped: an overflowing kernel stack lands here */

static _Alignas(PAGE_SIZE) uint8_t pool[FRAMES][PAGE_SIZE];
static int frames_used;
static uint64_t *kernel_pml4;

static uint64_t *frame_new(void) {
  if (frames_used == FRAMES) {
    print("out of memory\n");
    exit(3);
  }
  return memset(pool[frames_used++], 0, PAGE_SIZE);
}

/* The page table entry for a 4 KiB page, with the tables above it; level 2 gives the PDE instead. */
static uint64_t *entry_for(uint64_t *table, uint64_t address, int last_level) {
  for (int level = 4;; level--) {
    uint64_t *entry = &table[address >> (12 + 9 * (level - 1)) & 511];
    if (level == last_level) return entry;
    if (!(*entry & PTE_P)) *entry = (uint64_t)frame_new() | PTE_P | PTE_W | PTE_U;
    table = (uint64_t *)(*entry & PTE_ADDRESS);
  }
}

static uint64_t permissions(uint64_t address) {
  uint64_t global = has_pge ? PTE_G : 0, nx = has_nx ? PTE_NX : 0;
  if (address == (uint64_t)guard_page) return 0;
  if (address < (uint64_t)rodata_start) return PTE_P | global;                         /* code */
  if (address < (uint64_t)user_text_start) return PTE_P | global | nx;                 /* constants */
  if (address < (uint64_t)user_data_start) return PTE_P | PTE_U;                       /* user code */
  if (address < (uint64_t)user_data_end) return PTE_P | PTE_U | PTE_W | nx;            /* shared user data */
  return PTE_P | PTE_W | global | nx;                                                  /* data, stacks, pool */
}

void memory_init(void) {
  uint32_t max = cpuid(0, 0).eax;
  uint32_t leaf7 = max >= 7 ? cpuid(7, 0).ebx : 0;
  has_smep = leaf7 >> 7 & 1;
  has_smap = leaf7 >> 20 & 1;
  has_pge = cpuid(1, 0).edx >> 13 & 1;
  has_nx = cpuid(0x80000001, 0).edx >> 20 & 1;

  /* NX is a reserved bit until EFER.NXE = 1. */
  if (has_nx) wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);

  kernel_pml4 = frame_new();
  for (uint64_t a = IMAGE; a < (uint64_t)kernel_end; a += PAGE_SIZE) {
    uint64_t flags = permissions(a);
    if (flags) *entry_for(kernel_pml4, a, 1) = a | flags;
  }
  *entry_for(kernel_pml4, APIC_BASE, 2) = APIC_BASE | PTE_PS | PTE_P | PTE_W | PTE_PWT | PTE_PCD | (has_nx ? PTE_NX : 0);
  write_cr3((uint64_t)kernel_pml4);

  write_cr0(read_cr0() | CR0_WP);
  write_cr4(read_cr4() | (has_pge ? CR4_PGE : 0) | (has_smep ? CR4_SMEP : 0) | (has_smap ? CR4_SMAP : 0));
}

uint64_t address_space_new(void) {
  uint64_t *pml4 = frame_new();
  pml4[0] = kernel_pml4[0];
  return (uint64_t)pml4;
}

static bool on_heap(uint64_t a) { return a >= HEAP && a < HEAP + HEAP_SIZE; }
static bool on_stack(uint64_t a) { return a >= STACK_TOP - STACK_SIZE && a < STACK_TOP; }

/* Map a fresh page at a user address that has none yet. */
bool demand_page(uint64_t address) {
  if (!on_heap(address) && !on_stack(address)) return false;
  uint64_t *entry = entry_for((uint64_t *)current->cr3, address, 1);
  *entry = (uint64_t)frame_new() | PTE_P | PTE_W | PTE_U | (has_nx ? PTE_NX : 0);
  current->demand_pages++;
  return true; /* an entry that was not present is not in the TLB: no INVLPG */
}

static bool is_user(uint64_t a) {
  return (a >= (uint64_t)user_text_start && a < (uint64_t)user_data_end) || on_heap(a) || on_stack(a);
}

/* With SMAP the kernel may touch user pages only between STAC and CLAC. Page faults on the way are demand-filled. */
long copy_string_from_user(char *to, uint64_t from, long size) {
  long n = -1;
  if (has_smap) asm volatile("stac" ::: "memory", "cc");
  for (long i = 0; i < size && is_user(from + (uint64_t)i); i++) {
    to[i] = *(const volatile char *)(from + (uint64_t)i);
    if (!to[i]) {
      n = i;
      break;
    }
  }
  if (has_smap) asm volatile("clac" ::: "memory", "cc");
  return n;
}
