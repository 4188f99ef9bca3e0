; One stub per vector: make all frames alike, save the registers, call trap().
bits 64
VECTORS equ 0x41
HAS_ERROR_CODE equ 1<<8 | 1<<10 | 1<<11 | 1<<12 | 1<<13 | 1<<14 | 1<<17 | 1<<21

global trap_stub
extern trap

%include "runtime/registers.inc"

section .text
%assign v 0
%rep VECTORS
stub_%[v]:
  %if v >= 32 || !(HAS_ERROR_CODE & (1 << v))
        push    0
  %endif
        push    v
        jmp     all_traps
  %assign v v + 1
%endrep

all_traps:
        save_registers
        cld
        call    trap
        restore_registers
        add     rsp, 16                 ; vector and error code
        iretq

section .rodata
        align 8
trap_stub:
%assign v 0
%rep VECTORS
        dq      stub_%[v]
  %assign v v + 1
%endrep
