/* What of the user programs is 32-bit. */
#pragma once

/* Where user memory appears on demand; the two tasks have the same addresses and different pages. */
#define HEAP       0x40000000ul
#define STACK_TOP  0x50000000ul

#define FNV_OFFSET 0x811c9dc5ul
#define FNV_PRIME  0x01000193ul

/* Number in EAX, argument in EDI, result in EAX; SYSEXIT comes back to EDX with ESP from ECX. */
#define SYSTEM_CALL "mov %%esp, %%ecx\n mov $9f, %%edx\n sysenter\n9:\n"
#define SYSTEM_CALL_CLOBBERS "ecx", "edx", "memory", "cc"
#define ARGUMENT "edi"

/* From ring 3 to label 1 in ring 3; neither pops a stack pointer. */
#define FAR_RETURN       "mov %%cs, %%eax\n push %%eax\n push $1f\n lretl\n"
#define INTERRUPT_RETURN "pushfl\n mov %%cs, %%eax\n push %%eax\n push $1f\n iretl\n"
