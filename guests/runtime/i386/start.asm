; From the multiboot loader to main(), in 32-bit protected mode with paging off. Arguments in EAX (-mregparm=3).

MAGIC   equ 0x1BADB002
FLAGS   equ 1 << 1                      ; MEMINFO: pass us the memory sizes

section .multiboot
        align 4
        dd MAGIC, FLAGS, -(MAGIC + FLAGS)

section .text
bits 32
global _start
extern main, exit

_start: cld
        mov     esp, stack_top
        mov     eax, ebx                ; multiboot information
        call    main
        call    exit

section .bss
        alignb 16
        resb 16384
stack_top:
