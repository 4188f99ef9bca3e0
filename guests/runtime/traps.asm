; One stub per vector: make all frames alike, save the registers, call trap().
bits 64
VECTORS equ 0x41

global trap_stub
extern trap

%include "runtime/registers.inc"
%include "runtime/stubs.inc"

section .text
        stubs   VECTORS

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
        stub_table VECTORS
