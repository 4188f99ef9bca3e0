; The ways into the kernel and out of it. All of them build the same struct frame. Arguments in EAX, EDX (-mregparm=3).
bits 32
VECTORS equ 0x81
USER_CS equ 0x18 | 3
USER_SS equ 0x20 | 3
FLAG_IF equ 1 << 9

; offsets in struct frame, once the registers are popped
F_EIP   equ 8
F_FLAGS equ 16
F_ESP   equ 20

global entry_stub, sysenter_entry, trap_return, switch_stacks, double_fault_task
extern trap, syscall, double_fault

%include "runtime/stubs.inc"

section .text
        stubs   VECTORS

all_traps:
        pushad
        mov     eax, esp                ; the argument: struct frame *
        cld
        call    trap
trap_return:                            ; a new task starts here
        popad
        add     esp, 8                  ; vector and error code
        iretd

; SYSENTER: ESP is the kernel's, by IA32_SYSENTER_ESP; EDX = return address, ECX = the user's ESP, by our convention; IF = 0.
sysenter_entry:
        push    dword USER_SS
        push    ecx
        pushfd
        or      dword [esp], FLAG_IF
        push    dword USER_CS
        push    edx
        push    dword 0
        push    dword VECTORS           ; no vector
        pushad
        mov     eax, esp
        cld
        call    syscall
        popad
        and     dword [esp + F_FLAGS], ~FLAG_IF
        push    dword [esp + F_FLAGS]
        popfd
        mov     edx, [esp + F_EIP]
        mov     ecx, [esp + F_ESP]
        sti                             ; from the instruction after SYSEXIT on
        sysexit

; void switch_stacks(word *save_sp, word load_sp): one task calls it, another returns from it.
switch_stacks:
        push    ebx
        push    ebp
        push    esi
        push    edi
        mov     [eax], esp
        mov     esp, edx
        pop     edi
        pop     esi
        pop     ebp
        pop     ebx
        ret

; The task behind the #DF gate: each IRET goes back to the interrupted task, the next #DF comes to the instruction after it.
double_fault_task:
        mov     eax, esp
        call    double_fault
        add     esp, 4                  ; error code
        iretd
        jmp     double_fault_task

section .rodata
        align 4
entry_stub:
        stub_table VECTORS
