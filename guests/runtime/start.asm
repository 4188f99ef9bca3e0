; From the multiboot loader (32-bit protected mode, paging off) to main() in 64-bit mode.
; The first 4 GiB are identity-mapped by 2 MiB pages; the APIC's page is uncacheable.

PRESENT equ 1 << 0
WRITE   equ 1 << 1
PWT     equ 1 << 3
PCD     equ 1 << 4
LARGE   equ 1 << 7                      ; PDE.PS: a 2 MiB page
APIC    equ 0xFEE00000

CR0_PE  equ 1 << 0
CR0_WP  equ 1 << 16
CR0_PG  equ 1 << 31
CR4_PAE equ 1 << 5
EFER    equ 0xC0000080
LME     equ 1 << 8

%include "runtime/multiboot.inc"

section .text
bits 32
global _start
extern main, exit

_start: cld
        mov     esp, stack_top
        mov     ebp, ebx                ; multiboot information, for main()

        mov     dword [pml4], pdpt + PRESENT + WRITE
        mov     edi, pdpt
        mov     eax, pd + PRESENT + WRITE
.pdpte: mov     [edi], eax              ; four page directories of 1 GiB each
        add     edi, 8
        add     eax, 4096
        cmp     edi, pdpt + 4 * 8
        jb      .pdpte

        mov     edi, pd
        mov     eax, PRESENT + WRITE + LARGE
.pde:   mov     [edi], eax              ; 2048 pages of 2 MiB
        add     edi, 8
        add     eax, 2 << 20
        jnc     .pde                    ; until the address wraps at 4 GiB
        or      dword [pd + (APIC >> 21) * 8], PWT + PCD

        mov     eax, cr4
        or      eax, CR4_PAE
        mov     cr4, eax
        mov     eax, pml4
        mov     cr3, eax
        mov     ecx, EFER
        rdmsr
        or      eax, LME
        wrmsr
        mov     eax, cr0
        or      eax, CR0_PG + CR0_WP + CR0_PE
        mov     cr0, eax                ; EFER.LMA = 1: compatibility mode
        lgdt    [gdtr]
        jmp     0x08:long_mode          ; CS.L = 1: 64-bit mode

bits 64
long_mode:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        mov     rsp, stack_top          ; the upper halves are undefined after the switch
        mov     edi, ebp
        call    main
        mov     edi, eax
        call    exit

section .rodata
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
pd:     resb 4 * 4096
        resb 16384
stack_top:
