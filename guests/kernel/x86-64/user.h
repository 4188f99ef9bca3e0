/* What of the user programs is 64-bit. */
#pragma once

/* Where user memory appears on demand; the two tasks have the same addresses and different pages. */
#define HEAP       0x8000000000ul
#define STACK_TOP  0x8080000000ul

#define FNV_OFFSET 0xcbf29ce484222325ul
#define FNV_PRIME  0x100000001b3ul

/* Number in RAX, argument in RDI, result in RAX. */
#define SYSTEM_CALL "syscall\n"
#define SYSTEM_CALL_CLOBBERS "rcx", "r11", "memory", "cc"
#define ARGUMENT "edi"

/* From ring 3 to label 1 in ring 3. */
#define FAR_RETURN       "mov %%cs, %%eax\n push %%rax\n push $1f\n lretq\n"
#define INTERRUPT_RETURN "mov %%rsp, %%rcx\n mov %%ss, %%eax\n push %%rax\n push %%rcx\n pushfq\n mov %%cs, %%eax\n push %%rax\n push $1f\n iretq\n"
