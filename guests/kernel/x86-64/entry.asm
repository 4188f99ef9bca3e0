; The ways into the kernel and out of it. All of them build the same struct frame.
bits 64
VECTORS equ 0x81
USER_SS equ 0x20 | 3
USER_CS equ 0x28 | 3

; offsets in struct frame, once the registers are popped
F_RIP   equ 16
F_CS    equ 24
F_FLAGS equ 32
F_RSP   equ 40

global entry_stub, syscall_entry, trap_return, switch_stacks
extern trap, syscall

%include "runtime/registers.inc"
%include "runtime/stubs.inc"

; Exchange GS bases only on the way from or to CPL 3.
%macro swapgs_if_user 0
        test    byte [rsp + F_CS], 3
        jz      %%kernel
        swapgs
%%kernel:
%endmacro

section .text
        stubs   VECTORS

all_traps:
        swapgs_if_user
        save_registers
        cld
        call    trap
trap_return:                            ; a new task starts here
        restore_registers
        swapgs_if_user
        add     rsp, 16                 ; vector and error code
        iretq

; SYSCALL: RCX = return address, R11 = RFLAGS, RSP still the user's; IF = 0 by IA32_FMASK.
syscall_entry:
        swapgs
        mov     [gs:8], rsp
        mov     rsp, [gs:0]
        push    USER_SS
        push    qword [gs:8]
        push    r11
        push    USER_CS
        push    rcx
        push    0
        push    VECTORS                 ; no vector
        save_registers
        call    syscall
        restore_registers
        ; SYSRET faults at CPL 0 if RCX is not canonical. Ours is: the first page of the upper half is not
        ; the user's, so no SYSCALL ends there.
        mov     rcx, [rsp + F_RIP]
        mov     r11, [rsp + F_FLAGS]
        mov     rsp, [rsp + F_RSP]
        swapgs
        o64 sysret

; void switch_stacks(uint64_t *save_rsp, uint64_t load_rsp): one task calls it, another returns from it.
switch_stacks:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [rdi], rsp
        mov     rsp, rsi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .rodata
        align 8
entry_stub:
        stub_table VECTORS
