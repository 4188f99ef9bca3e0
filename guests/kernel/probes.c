/* Self-tests: the kernel does what its own page permissions forbid, and expects the fault. */
#include "cpu.h"
#include "kernel.h"
#include "runtime.h"

enum { PF_P = 1 << 0, PF_W = 1 << 1, PF_I = 1 << 4, NONE = -1 };

extern char user_text_start[], user_data_start[];
void user_return(void); /* a lone RET among the user code */

static volatile struct { word ip, sp; long vector, error; word cr2; } probe;
static const char read_only[] = "constant";
static char not_code[] = {(char)0xC3}; /* RET, on a data page */
static _Alignas(16) char double_fault_stack[PAGE_SIZE];
static volatile bool on_double_fault_stack;

/* Called by trap() for faults of the kernel itself: was it a probe? */
bool probe_fault(struct frame *f) {
  if (!probe.ip) return false;
  probe.vector = (long)f->vector;
  probe.error = (long)f->error;
  probe.cr2 = read_cr2();
  on_double_fault_stack = (char *)f > double_fault_stack && (char *)f < double_fault_stack + sizeof double_fault_stack;
  frame_resume(f, probe.ip, probe.sp);
  probe.ip = 0;
  return true;
}

#define PROBE(code, ...)                                                            \
  do {                                                                              \
    probe.vector = NONE;                                                            \
    asm volatile(PROBE_BEGIN code PROBE_END                                         \
                 : [sp] "=m"(probe.sp), [ip] "=m"(probe.ip) : __VA_ARGS__ : PROBE_CLOBBERS); \
    probe.ip = 0;                                                                   \
  } while (0)

static void expect(const char *what, bool offered, long error, const volatile void *address) {
  if (!offered) {
    print("%s: not offered by this CPU\n", what);
  } else if (probe.vector == PF && probe.error == error && probe.cr2 == (word)address) {
    print("%s: #PF, error code 0x%lx\n", what, error);
  } else {
    print("%s: unexpected vector %lu, error code 0x%lx, cr2 0x%lx\n", what, probe.vector, probe.error, probe.cr2);
    exit(4);
  }
}

_Noreturn void double_fault_unexpected(void) {
  print("kernel: a double fault out of place\n");
  exit(2);
}

void probes(void) {
  PROBE("movb $0, %[p]", [p] "m"(read_only));
  expect("WP: write to a read-only page", true, PF_P | PF_W, read_only);

  if (has_nx) PROBE("call *%[p]", [p] "r"(not_code));
  expect("NX: fetch from a data page", has_nx, PF_P | PF_I, not_code);

  if (has_smep) PROBE("call *%[p]", [p] "r"(user_return));
  expect("SMEP: fetch from a user page", has_smep, PF_P | PF_I, (void *)user_return);

  if (has_smap) PROBE("movb (%[p]), %%al", [p] "r"(user_data_start));
  expect("SMAP: read from a user page", has_smap, PF_P, user_data_start);

  /* The push page-faults; so does pushing the #PF frame; the #DF gate has a good stack. */
  double_fault_stack_set(double_fault_stack + sizeof double_fault_stack);
  PROBE(LOAD_STACK_POINTER, [p] "m"(guard_page[PAGE_SIZE]));
  if (probe.vector != DF || probe.error != 0 || !on_double_fault_stack) {
    print("kernel stack overflow: unexpected vector %lu\n", probe.vector);
    exit(5);
  }
  print("kernel stack overflow: #DF on its own stack\n");
}
