; From the kernel into virtual-8086 mode and back. Arguments in EAX, EDX (-mregparm=3).
bits 32
VECTORS equ 0x41
KERNEL_DATA equ 0x10

global entry_stub, v86_enter, v86_leave
TSS_ESP0 equ 4
extern trap, task

%include "runtime/stubs.inc"

section .text
        stubs   VECTORS

all_traps:
        pushad
        mov     eax, KERNEL_DATA        ; out of virtual-8086 mode the data segments are null
        mov     ds, eax
        mov     es, eax
        mov     eax, esp                ; the argument: struct frame *
        cld
        call    trap
        popad
        add     esp, 8                  ; vector and error code
        iretd

; void v86_enter(struct frame *): comes back when v86_leave() is called. Traps use the stack below this frame.
v86_enter:
        push    ebx
        push    ebp
        push    esi
        push    edi
        mov     [kernel_esp], esp
        mov     [task + TSS_ESP0], esp
        mov     esp, eax
        popad
        add     esp, 8
        iretd

v86_leave:
        mov     esp, [kernel_esp]
        pop     edi
        pop     esi
        pop     ebp
        pop     ebx
        ret

section .rodata
        align 4
entry_stub:
        stub_table VECTORS

section .bss
kernel_esp: resd 1
