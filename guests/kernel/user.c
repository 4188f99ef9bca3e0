/*
 * The two ring-3 programs. They see their own code, the shared data below, and memory on demand.
 * Task 1 prints everything it has to say before task 2 (which joins it) prints anything: the output does not
 * depend on where the timer preempts them.
 */
#include <stdint.h>
#include "../kernel/syscalls.h"

/* On data pages shared by both tasks. */
static volatile int turn = 1;

static long call(enum syscall_number number, uint64_t argument) {
  long result;
  asm volatile("syscall" : "=a"(result) : "a"((uint64_t)number), "D"(argument) : "rcx", "r11", "memory");
  return result;
}

static long call_int80(enum syscall_number number, uint64_t argument) {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"((uint64_t)number), "D"(argument) : "memory");
  return result;
}

/* Builds the line `text` + number + `tail` in a buffer on the task's own stack. */
static char *append(char *to, const char *text) {
  while (*text) *to++ = *text++;
  *to = 0;
  return to;
}
static char *append_number(char *to, uint64_t n) {
  if (n >= 10) to = append_number(to, n / 10);
  *to++ = (char)('0' + n % 10);
  *to = 0;
  return to;
}

/* Neither task yields here: only preemption can pass the turn on. */
static void ping_pong(int me, int other) {
  for (int i = 0; i < 3; i++) {
    while (turn != me) asm volatile("pause");
    turn = other;
  }
}

/* A fault at `instruction` is reported by the kernel, which then goes on at label 1. */
#define SKIPPED(instruction, ...)                                   \
  asm volatile("mov $1f, %%edi\n mov %0, %%eax\n syscall\n"         \
               instruction "\n1:" ::"i"(SYS_ON_FAULT)               \
               : "rax", "rcx", "rdx", "rdi", "r11", "memory", "cc")

static void faults(void) {
  SKIPPED("xor %%ecx, %%ecx\n div %%ecx"); /* #DE: division by zero */
  SKIPPED("hlt");                          /* #GP: privileged */
  SKIPPED("ud2");                          /* #UD: undefined by definition */
}

/* Far return and interrupt return from ring 3 to ring 3. */
static int returns(void) {
  int passed = 0;
  asm volatile("mov %%cs, %%eax\n push %%rax\n push $1f\n lretq\n"
               "ud2\n"
               "1: inc %0" : "+r"(passed)::"rax", "memory", "cc");
  asm volatile("mov %%rsp, %%rcx\n mov %%ss, %%eax\n push %%rax\n push %%rcx\n pushfq\n"
               "mov %%cs, %%eax\n push %%rax\n push $1f\n iretq\n"
               "ud2\n"
               "1: inc %0" : "+r"(passed)::"rax", "rcx", "memory", "cc");
  return passed;
}

/* The start below `limit` with the longest Collatz sequence. */
static uint64_t longest_collatz(uint64_t limit) {
  uint64_t best = 1, best_steps = 0;
  for (uint64_t start = 1; start < limit; start++) {
    uint64_t steps = 0;
    for (uint64_t n = start; n != 1; n = n % 2 ? 3 * n + 1 : n / 2) steps++;
    if (steps > best_steps) best = start, best_steps = steps;
  }
  return best;
}

/* FNV-1a over `pages` pages of fresh heap that we fill first. */
static uint64_t heap_hash(int pages) {
  volatile uint32_t *heap = (volatile uint32_t *)HEAP;
  int words = pages * 1024;
  for (int i = 0; i < words; i++) heap[i] = (uint32_t)i * 2654435761u;
  uint64_t hash = 0xcbf29ce484222325;
  for (int i = 0; i < words; i++) hash = (hash ^ heap[i]) * 0x100000001b3;
  return hash;
}

/* Touches one more stack page per call. */
static int __attribute__((noinline)) deep(int depth) {
  volatile char page[4096];
  page[0] = (char)depth;
  return depth ? deep(depth - 1) + page[0] : 0;
}

void user_return(void) {} /* the kernel's SMEP probe tries to call this */

void task1(void) {
  char line[96];
  ping_pong(1, 2);
  faults();

  append_number(append(line, "far and interrupt returns passed: "), (uint64_t)returns());
  call(SYS_WRITE, (uint64_t)line);

  int sum = deep(6);
  append_number(append(line, "sum over the stack pages: "), (uint64_t)sum);
  call(SYS_WRITE, (uint64_t)line);

  append_number(append(line, "longest Collatz sequence below 10000 starts at "), longest_collatz(10000));
  call(SYS_WRITE, (uint64_t)line);
  call(SYS_EXIT, 0);
}

void task2(void) {
  char line[96];
  ping_pong(2, 1);
  call(SYS_YIELD, 0);
  uint64_t hash = heap_hash(32);
  long code = call(SYS_JOIN, 1);

  append_number(append(line, "joined task 1, exit code "), (uint64_t)code);
  call(SYS_WRITE, (uint64_t)line);
  append_number(append(line, "FNV-1a of 128 KiB: "), hash);
  call_int80(SYS_WRITE, (uint64_t)line);
  *(volatile char *)0x100000 = 0; /* a kernel page, and no handler: #PF, killed */
  call(SYS_EXIT, 0);
}
