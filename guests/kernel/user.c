/*
 * The two ring-3 programs. They see their own code, the shared data below, and memory on demand.
 * Task 1 prints everything it has to say before task 2 (which joins it) prints anything: the output does not
 * depend on where the timer preempts them.
 */
#include <stdint.h>
#include "runtime.h"
#include "syscalls.h"
#include "user.h"

/* On data pages shared by both tasks. */
static volatile int turn = 1;

static long call(enum syscall_number number, word argument) {
  long result;
  asm volatile(SYSTEM_CALL : "=a"(result) : "a"((word)number), "D"(argument) : SYSTEM_CALL_CLOBBERS);
  return result;
}

static long call_int80(enum syscall_number number, word argument) {
  long result;
  asm volatile("int $0x80" : "=a"(result) : "a"((word)number), "D"(argument) : "memory");
  return result;
}

/* Builds the line `text` + number + `tail` in a buffer on the task's own stack. */
static char *append(char *to, const char *text) {
  while (*text) *to++ = *text++;
  *to = 0;
  return to;
}
static char *append_number(char *to, word n) {
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
#define SKIPPED(instruction, ...)                                          \
  asm volatile("mov $1f, %%" ARGUMENT "\n mov %0, %%eax\n" SYSTEM_CALL     \
               instruction "\n1:" ::"i"(SYS_ON_FAULT)                      \
               : "eax", "edi", "edx", SYSTEM_CALL_CLOBBERS)

static void faults(void) {
  SKIPPED("xor %%ecx, %%ecx\n div %%ecx"); /* #DE: division by zero */
  SKIPPED("hlt");                          /* #GP: privileged */
  SKIPPED("ud2");                          /* #UD: undefined by definition */
}

/* Far return and interrupt return from ring 3 to ring 3. */
static int returns(void) {
  int passed = 0;
  asm volatile(FAR_RETURN "ud2\n1: inc %0" : "+r"(passed)::"eax", "memory", "cc");
  asm volatile(INTERRUPT_RETURN "ud2\n1: inc %0" : "+r"(passed)::"eax", "ecx", "memory", "cc");
  return passed;
}

/* The start below `limit` with the longest Collatz sequence. */
static word longest_collatz(word limit) {
  word best = 1, best_steps = 0;
  for (word start = 1; start < limit; start++) {
    word steps = 0;
    for (word n = start; n != 1; n = n % 2 ? 3 * n + 1 : n / 2) steps++;
    if (steps > best_steps) best = start, best_steps = steps;
  }
  return best;
}

/* FNV-1a over `pages` pages of fresh heap that we fill first. */
static word heap_hash(int pages) {
  volatile uint32_t *heap = (volatile uint32_t *)HEAP;
  int words = pages * 1024;
  for (int i = 0; i < words; i++) heap[i] = (uint32_t)i * 2654435761u;
  word hash = FNV_OFFSET;
  for (int i = 0; i < words; i++) hash = (hash ^ heap[i]) * FNV_PRIME;
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

  append_number(append(line, "far and interrupt returns passed: "), (word)returns());
  call(SYS_WRITE, (word)line);

  int sum = deep(6);
  append_number(append(line, "sum over the stack pages: "), (word)sum);
  call(SYS_WRITE, (word)line);

  append_number(append(line, "longest Collatz sequence below 10000 starts at "), longest_collatz(10000));
  call(SYS_WRITE, (word)line);
  call(SYS_EXIT, 0);
}

void task2(void) {
  char line[96];
  ping_pong(2, 1);
  call(SYS_YIELD, 0);
  word hash = heap_hash(32);
  long code = call(SYS_JOIN, 1);

  append_number(append(line, "joined task 1, exit code "), (word)code);
  call(SYS_WRITE, (word)line);
  append_number(append(line, "FNV-1a of 128 KiB: "), hash);
  call_int80(SYS_WRITE, (word)line);
  *(volatile char *)0x100000 = 0; /* a kernel page, and no handler: #PF, killed */
  call(SYS_EXIT, 0);
}
