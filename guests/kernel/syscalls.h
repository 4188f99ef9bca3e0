/* System calls by number, with one argument; by the fast system call of the architecture or by INT 0x80. */
#pragma once

enum syscall_number { SYS_WRITE, SYS_YIELD, SYS_EXIT, SYS_JOIN, SYS_ON_FAULT };

#define HEAP_SIZE  0x40000ul
#define STACK_SIZE 0x10000ul
