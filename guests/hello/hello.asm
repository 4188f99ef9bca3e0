; The shortest honest way from a multiboot loader to 64-bit mode, with nothing hidden.
; We enter in 32-bit protected mode: flat segments, paging off, interrupts off.

MAGIC equ 0x1BADB002

section .multiboot
        align 4
        dd MAGIC, 0, -MAGIC             ; no flags

section .text
bits 32
global _start
_start:
        ; 1. Page tables: one PML4E, one PDPTE, one PDE map the 2 MiB we live in.
        mov     dword [pml4], pdpt + 3  ; present, writable
        mov     dword [pdpt], pd + 3
        mov     dword [pd], 0x83        ; present, writable, PS: a 2 MiB page at 0

        ; 2. The order matters: PAE, CR3, EFER.LME, then paging switches long mode on.
        mov     eax, cr4
        or      eax, 1 << 5             ; CR4.PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     ecx, 0xC0000080         ; IA32_EFER
        rdmsr
        or      eax, 1 << 8             ; EFER.LME
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31            ; CR0.PG; now EFER.LMA = 1 (compatibility mode)
        mov     cr0, eax

        ; 3. A code segment with L = 1 makes it 64-bit mode.
        lgdt    [gdtr]
        jmp     0x08:long_mode

bits 64
long_mode:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     rsi, message
        mov     rcx, message.end - message

.next:  mov     dx, 0x3FD               ; line status register
.wait:  in      al, dx
        test    al, 1 << 5              ; transmitter holding register empty?
        jz      .wait
        mov     dx, 0x3F8
        outsb
        loop    .next

        xor     eax, eax
        out     0xF4, al                ; leave with code 0
.stop:  cli
        hlt
        jmp     .stop

section .rodata
message: db "hello from long mode", 10
.end:
        align 8
gdt:    dq 0
        dq 0x00209B0000000000           ; 0x08: 64-bit code, DPL 0
        dq 0x00CF93000000FFFF           ; 0x10: data, DPL 0
gdtr:   dw gdtr - gdt - 1
        dd gdt

section .bss
        alignb 4096
pml4:   resb 4096
pdpt:   resb 4096
pd:     resb 4096
