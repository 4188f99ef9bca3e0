/* System calls: number in RAX, argument in RDI, result in RAX; by SYSCALL or by INT 0x80. */
#pragma once

enum syscall_number { SYS_WRITE, SYS_YIELD, SYS_EXIT, SYS_JOIN, SYS_ON_FAULT };

/* Where user memory appears on demand; the two tasks have the same addresses and different pages. */
#define HEAP       0x8000000000ul
#define HEAP_SIZE  0x40000ul
#define STACK_TOP  0x8080000000ul
#define STACK_SIZE 0x10000ul
