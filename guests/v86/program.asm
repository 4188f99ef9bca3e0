; The program in virtual-8086 mode, copied to 1000:0000. It uses a table of interrupt vectors of its own at 0000:0000, and
; prints through port 0x3F8, which the I/O permission bitmap gives it.
bits 16
SERVICE  equ 0x21                       ; AH = 1: adds BX to the sum; AH = 2: the sum in AX
DIVIDE   equ 0
OVERRUN  equ 13
UART     equ 0x3F8
FORBIDDEN equ 0x71                      ; a port that the bitmap withholds
IF_HIGH  equ 2                          ; bit 9 of FLAGS in its high byte
SECRET   equ 0x5A                       ; what the kernel gives for that port
SCRATCH  equ 0x3000                     ; a segment

global program, program_end, program_ticks

section .rodata
program:
        mov     ax, cs
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x8000
        xor     ax, ax
        mov     es, ax
        mov     word [es:4 * SERVICE], service - program
        mov     [es:4 * SERVICE + 2], cs
        mov     word [es:4 * DIVIDE], on_divide - program
        mov     [es:4 * DIVIDE + 2], cs
        mov     word [es:4 * OVERRUN], on_overrun - program
        mov     [es:4 * OVERRUN + 2], cs
        mov     word [sum - program], 0

        mov     si, hello - program
        call    print

        ; INT n and IRET
        mov     cx, 10
.add:   mov     ah, 1
        mov     bx, cx
        int     SERVICE
        loop    .add
        mov     ah, 2
        int     SERVICE
        mov     si, sum_is - program
        call    print_ax

        ; CLI, STI, PUSHF, POPF: the program sees an interrupt flag of its own
        cli
        pushf
        pop     bx
        sti
        pushf
        pop     dx
        mov     al, bh
        and     al, IF_HIGH
        mov     ah, dh
        and     ah, IF_HIGH
        mov     si, flags_are - program
        call    print_ax
        cli
        push    dx
        popf
        pushf
        pop     ax
        and     ax, IF_HIGH << 8
        mov     si, popf_gives - program
        call    print_ax

        ; segments are 16 times their selectors: the same byte by two addresses
        mov     ax, SCRATCH
        mov     es, ax
        mov     di, 0x123
        mov     byte [es:di], 0x77
        mov     ax, SCRATCH + 0x12
        mov     es, ax
        mov     al, [es:di - 0x120]
        xor     ah, ah
        mov     si, byte_is - program
        call    print_ax

        ; strings of words, backwards
        mov     ax, SCRATCH
        mov     es, ax
        mov     di, 0x1FE
        mov     cx, 0x80
        mov     ax, 0xA55A
        std
        rep stosw
        cld
        mov     ax, [es:0x100]
        add     ax, di
        mov     si, string_is - program
        call    print_ax

        ; faults: a division, and a word that runs over the end of the segment
        xor     dx, dx
        mov     ax, 7
        xor     cx, cx
        div     cx                      ; on_divide makes CX 1
        mov     si, quotient_is - program
        call    print_ax
        mov     di, 0xFFFF
        mov     ax, [es:di]             ; on_overrun makes DI 0xFFFE
        mov     ax, di
        mov     si, overrun_at - program
        call    print_ax

        in      al, FORBIDDEN
        xor     ah, ah
        mov     si, port_gives - program
        call    print_ax

        ; far transfers, and 32-bit operands and addresses in 16-bit code
        push    cs
        call    near_end
        jmp     0x1000:.far - program
.far:   mov     eax, 0x12345678
        mov     ecx, 0x10
        imul    eax, [ecx + ecx + constant - program - 0x20], 3
        shr     eax, 8
        mov     si, product_is - program
        call    print_ax

        ; three interrupts come in between; how far the loop gets does not matter
.wait:  inc     dword [count - program]
        cmp     byte [program_ticks - program], 3
        jb      .wait
        hlt                             ; the end

near_end:
        retf

service:
        cmp     ah, 1
        jne     .tell
        add     [cs:sum - program], bx
        iret
.tell:  mov     ax, [cs:sum - program]
        iret

on_divide:
        mov     cx, 1
        iret
on_overrun:
        dec     di
        iret

; The string at DS:SI, with AX in hexadecimal after it.
print_ax:
        push    ax
        call    print
        pop     bx
        mov     cx, 4
.digit: rol     bx, 4
        mov     al, bl
        and     al, 15
        cmp     al, 10
        sbb     al, 0x69
        das                             ; the shortest way to a hexadecimal digit
        call    put
        loop    .digit
        mov     al, 10
        jmp     put

print:  lodsb
        test    al, al
        jz      .end
        call    put
        jmp     print
.end:   ret

put:    push    dx
        push    ax
        mov     dx, UART + 5
.busy:  in      al, dx
        test    al, 1 << 5
        jz      .busy
        pop     ax
        mov     dx, UART
        out     dx, al
        pop     dx
        ret

hello:       db "  in virtual-8086 mode", 10, 0
sum_is:      db "  sum 0x", 0
flags_are:   db "  IF after sti and cli 0x", 0
popf_gives:  db "  IF after popf 0x", 0
byte_is:     db "  the same byte 0x", 0
string_is:   db "  rep stosw 0x", 0
quotient_is: db "  after #DE 0x", 0
overrun_at:  db "  after #GP 0x", 0
port_gives:  db "  port 0x71 0x", 0
product_is:  db "  32-bit product 0x", 0
        align 4
constant:    dd 0x01020304
count:       dd 0
sum:         dw 0
program_ticks: db 0
        align 4
program_end:
