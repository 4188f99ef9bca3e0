/* Parts of the guest: registers.c, tables.c (and I/O, memory), user.c (CPL 3). */
#pragma once
#include <stdint.h>
#include "cpu.h"
#include "runtime.h"
#include "traps.h"

void check(const char *what, uint64_t got, uint64_t expected); /* prints; counts a difference */
void check_fault(const char *what, int64_t vector);            /* of the last ATTEMPT */
void skip(const char *what);

void msrs(void);
void control_registers(void);
void debug_registers(void);
void extended_state(void);
void descriptor_tables(void);
void flags_and_time(void);
void ports(void);
void direction(void);
void page_invalidation(void);
void vmx_instructions(void);
void user_mode(void);
