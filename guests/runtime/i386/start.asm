; From the multiboot loader to main(), in 32-bit protected mode with paging off. Arguments in EAX (-mregparm=3).

%include "runtime/multiboot.inc"

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
