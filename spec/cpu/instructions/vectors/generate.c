/*
 * Runs integer instructions on the processor of this machine and writes what they did as JSON files.
 *
 *   gcc -O1 -no-pie -o generate spec/cpu/instructions/vectors/generate.c && ./generate spec/cpu/instructions/vectors
 *
 * Linux on x86-64 with BMI1, BMI2, ADX, MOVBE, SSE4.2 and LZCNT; GNU as. Inputs come from a seeded generator, so that a second run differs only
 * where processors differ. A form is a snippet of assembler; `inputs` says what varies:
 *   a b c d   RAX, RBX, RCX, RDX: boundary and random values        k   RCX: a shift count in CL
 *   n   RCX: a bit number from -128 to 127      x   RCX: a BEXTR or BZHI control      r   RCX: a count from 0 to 3
 *   D   RDX: small or a sign, for divisions     e   RAX is often what the instruction compares with (RBX, memory)
 *   m   16 bytes on both sides of RSI are random      s   48 bytes on both sides      z   as s, bytes 0 and 1 only
 * Rows whose instruction faults (#DE) are left out.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define STATE 0x10000000
#define MEMORY 0x20000000
#define CODE 0x30000000
#define MIDDLE (MEMORY + 0x800)
#define STR1(x) #x
#define STR(x) STR1(x)

struct state {
  uint64_t in[16], in_flags, out[16], out_flags, saved_rsp, code, back;
  uint32_t far_offset;
  uint16_t far_selector;
};
static struct state *const state = (struct state *)STATE;

/* Loads all registers, jumps to the code, stores all registers. */
asm(".intel_syntax noprefix\n"
    ".set IN, " STR(STATE) "\n.set OUT, IN + 17*8\n.set SAVED, OUT + 17*8\n"
    ".macro load_all\n"
    "push rbx; push rbp; push r12; push r13; push r14; push r15; pushfq\n"
    "mov qword ptr ds:SAVED, rsp\n"
    "push qword ptr ds:[IN + 16*8]\npopfq\n"
    "mov rax, ds:[IN]; mov rcx, ds:[IN+8]; mov rdx, ds:[IN+16]; mov rbx, ds:[IN+24]; mov rsp, ds:[IN+32]\n"
    "mov rbp, ds:[IN+40]; mov rsi, ds:[IN+48]; mov rdi, ds:[IN+56]; mov r8, ds:[IN+64]; mov r9, ds:[IN+72]\n"
    "mov r10, ds:[IN+80]; mov r11, ds:[IN+88]; mov r12, ds:[IN+96]; mov r13, ds:[IN+104]; mov r14, ds:[IN+112]\n"
    "mov r15, ds:[IN+120]\n"
    ".endm\n"
    ".text\n"
    "run64:\nload_all\njmp qword ptr ds:[SAVED + 8]\n"
    "run32:\nload_all\njmp fword ptr ds:[SAVED + 24]\n"
    "back:\n"
    "mov ds:[OUT], rax; mov ds:[OUT+8], rcx; mov ds:[OUT+16], rdx; mov ds:[OUT+24], rbx; mov ds:[OUT+32], rsp\n"
    "mov ds:[OUT+40], rbp; mov ds:[OUT+48], rsi; mov ds:[OUT+56], rdi; mov ds:[OUT+64], r8; mov ds:[OUT+72], r9\n"
    "mov ds:[OUT+80], r10; mov ds:[OUT+88], r11; mov ds:[OUT+96], r12; mov ds:[OUT+104], r13; mov ds:[OUT+112], r14\n"
    "mov ds:[OUT+120], r15\n"
    "mov rsp, ds:SAVED\npushfq\npop qword ptr ds:[OUT + 16*8]\ncld\n"
    "popfq; pop r15; pop r14; pop r13; pop r12; pop rbp; pop rbx\nret\n"
    ".att_syntax\n");
extern void run64(void), run32(void);
extern char back[];

struct form {
  const char *start, *end, *group, *inputs, *text;
  uint64_t mode;
};
extern struct form __start_forms[], __stop_forms[];

asm(".intel_syntax noprefix\n"
    ".macro entry group, inputs, text, mode\n"
    ".pushsection .rodata\n8881: .asciz \"\\group\"\n8882: .asciz \"\\inputs\"\n8883: .asciz \"\\text\"\n.popsection\n"
    ".pushsection forms, \"aw\"\n.quad 8884b, 8885b, 8881b, 8882b, 8883b, \\mode\n.popsection\n"
    ".endm\n"
    ".macro form group, inputs, text\n"
    ".pushsection .text\n8884: \\text\n8885: nop\n.popsection\n"
    "entry \\group, \"\\inputs\", \"\\text\", 64\n"
    ".endm\n"
    ".macro form32 group, inputs, text\n"
    ".pushsection .text\n.code32\n8884: \\text\n8885: nop\n.code64\n.popsection\n"
    "entry \\group, \"\\inputs\", \"\\text\", 32\n"
    ".endm\n"

    /* ---- arithmetic and logic */
    ".macro two group, op\n"
    "form \\group, \"ac\", \"\\op al, cl\"\nform \\group, \"ab\", \"\\op ah, bl\"\nform \\group, \"ac\", \"\\op ax, cx\"\n"
    "form \\group, \"ac\", \"\\op eax, ecx\"\nform \\group, \"ac\", \"\\op rax, rcx\"\nform \\group, \"a\", \"\\op rax, rax\"\n"
    "form \\group, \"a\", \"\\op al, 0x7f\"\nform \\group, \"b\", \"\\op bl, 0x80\"\nform \\group, \"b\", \"\\op bx, -2\"\n"
    "form \\group, \"a\", \"\\op ax, 0x1234\"\nform \\group, \"b\", \"\\op ebx, 0x12345678\"\nform \\group, \"a\", \"\\op rax, -0x12345678\"\n"
    "form \\group, \"b\", \"\\op rbx, -1\"\nform \\group, \"cm\", \"\\op byte ptr [rsi+1], cl\"\nform \\group, \"cm\", \"\\op word ptr [rsi], cx\"\n"
    "form \\group, \"cm\", \"\\op dword ptr [rsi-3], ecx\"\nform \\group, \"cm\", \"\\op qword ptr [rsi], rcx\"\nform \\group, \"m\", \"\\op qword ptr [rsi], -5\"\n"
    ".endm\n"
    ".irp op, add, adc, sub, sbb, cmp\ntwo arithmetic, \\op\nform arithmetic, \"am\", \"\\op rax, qword ptr [rsi]\"\nform arithmetic, \"am\", \"\\op ah, byte ptr [rsi]\"\n.endr\n"
    ".irp op, and, or, xor\ntwo logic, \\op\nform logic, \"am\", \"\\op eax, dword ptr [rsi]\"\n.endr\n"
    "two logic, test\n"
    ".macro one group, op\n"
    "form \\group, \"a\", \"\\op al\"\nform \\group, \"b\", \"\\op bh\"\nform \\group, \"a\", \"\\op ax\"\nform \\group, \"a\", \"\\op eax\"\nform \\group, \"a\", \"\\op rax\"\n"
    "form \\group, \"m\", \"\\op byte ptr [rsi]\"\nform \\group, \"m\", \"\\op word ptr [rsi]\"\nform \\group, \"m\", \"\\op dword ptr [rsi]\"\nform \\group, \"m\", \"\\op qword ptr [rsi]\"\n"
    ".endm\n"
    ".irp op, inc, dec, neg\none arithmetic, \\op\n.endr\none logic, not\n"
    ".macro exchange op\n"
    "form exchange, \"ab\", \"\\op bl, al\"\nform exchange, \"ab\", \"\\op ah, bl\"\nform exchange, \"ab\", \"\\op bx, ax\"\nform exchange, \"ab\", \"\\op ebx, eax\"\nform exchange, \"ab\", \"\\op rbx, rax\"\n"
    "form exchange, \"am\", \"\\op byte ptr [rsi], al\"\nform exchange, \"am\", \"\\op word ptr [rsi], ax\"\nform exchange, \"am\", \"\\op dword ptr [rsi], eax\"\nform exchange, \"am\", \"\\op qword ptr [rsi], rax\"\n"
    "form exchange, \"m\", \"\\op qword ptr [rsi], rsi\"\nform exchange, \"a\", \"\\op eax, eax\"\n"
    ".endm\n"
    "exchange xchg\nexchange xadd\n"
    "form exchange, \"am\", \"lock xadd qword ptr [rsi], rax\"\nform exchange, \"ab\", \"xchg rax, rbx\"\nform exchange, \"ab\", \"xchg ebx, eax\"\n"
    "form exchange, \"abce\", \"cmpxchg bl, cl\"\nform exchange, \"abce\", \"cmpxchg bx, cx\"\nform exchange, \"abce\", \"cmpxchg ebx, ecx\"\nform exchange, \"abce\", \"cmpxchg rbx, rcx\"\n"
    "form exchange, \"abc\", \"cmpxchg ah, cl\"\nform exchange, \"abc\", \"cmpxchg eax, ecx\"\n"
    "form exchange, \"acme\", \"cmpxchg byte ptr [rsi], cl\"\nform exchange, \"acme\", \"cmpxchg word ptr [rsi], cx\"\nform exchange, \"acme\", \"cmpxchg dword ptr [rsi], ecx\"\nform exchange, \"acme\", \"lock cmpxchg qword ptr [rsi], rcx\"\n"
    "form exchange, \"abcdme\", \"cmpxchg8b qword ptr [rsi]\"\nform exchange, \"abcdme\", \"cmpxchg16b xmmword ptr [rsi]\"\n"

    /* ---- shifts */
    ".macro shifts op\n"
    "form shift, \"ak\", \"\\op al, cl\"\nform shift, \"ak\", \"\\op ax, cl\"\nform shift, \"ak\", \"\\op eax, cl\"\nform shift, \"ak\", \"\\op rax, cl\"\nform shift, \"ak\", \"\\op ah, cl\"\n"
    ".irp r, al, bh, ax, eax, rax\nform shift, \"ab\", \"\\op \\r, 1\"\nform shift, \"ab\", \"\\op \\r, 3\"\nform shift, \"ab\", \"\\op \\r, 7\"\n.endr\n"
    ".irp n, 0, 8, 9, 18, 31, 33\nform shift, \"a\", \"\\op al, \\n\"\n.endr\n"
    ".irp n, 0, 15, 16, 17, 31, 34\nform shift, \"a\", \"\\op ax, \\n\"\n.endr\n"
    ".irp n, 0, 31, 32, 33\nform shift, \"a\", \"\\op eax, \\n\"\n.endr\n"
    ".irp n, 0, 32, 63, 64, 65\nform shift, \"a\", \"\\op rax, \\n\"\n.endr\n"
    "form shift, \"m\", \"\\op dword ptr [rsi], 5\"\nform shift, \"mk\", \"\\op word ptr [rsi], cl\"\nform shift, \"mk\", \"\\op qword ptr [rsi], cl\"\nform shift, \"m\", \"\\op byte ptr [rsi], 1\"\n"
    ".endm\n"
    ".irp op, shl, shr, sar, rol, ror, rcl, rcr\nshifts \\op\n.endr\n"
    "form shift, \"a\", \".byte 0xc1, 0xf0, 3\"\n"
    ".irp op, shld, shrd\n"
    "form shift, \"abk\", \"\\op ax, bx, cl\"\nform shift, \"abk\", \"\\op eax, ebx, cl\"\nform shift, \"abk\", \"\\op rax, rbx, cl\"\n"
    ".irp n, 0, 1, 5, 15, 16\nform shift, \"ab\", \"\\op ax, bx, \\n\"\nform shift, \"ab\", \"\\op eax, ebx, \\n\"\nform shift, \"ab\", \"\\op rax, rbx, \\n\"\n.endr\n"
    "form shift, \"ab\", \"\\op eax, ebx, 31\"\nform shift, \"ab\", \"\\op rax, rbx, 63\"\nform shift, \"bmk\", \"\\op dword ptr [rsi], ebx, cl\"\nform shift, \"bm\", \"\\op qword ptr [rsi], rbx, 9\"\n"
    ".endr\n"
    ".irp op, shlx, shrx, sarx\nform shift, \"ab\", \"\\op ecx, eax, ebx\"\nform shift, \"ab\", \"\\op rcx, rax, rbx\"\nform shift, \"mk\", \"\\op rax, qword ptr [rsi], rcx\"\n.endr\n"
    ".irp n, 0, 7, 31\nform shift, \"a\", \"rorx ecx, eax, \\n\"\nform shift, \"a\", \"rorx rcx, rax, \\n + 20\"\n.endr\n"

    /* ---- bits */
    ".irp op, bt, bts, btr, btc\n"
    "form bit, \"ac\", \"\\op ax, cx\"\nform bit, \"ac\", \"\\op eax, ecx\"\nform bit, \"ac\", \"\\op rax, rcx\"\n"
    "form bit, \"a\", \"\\op ax, 21\"\nform bit, \"a\", \"\\op eax, 31\"\nform bit, \"a\", \"\\op rax, 63\"\n"
    "form bit, \"nm\", \"\\op word ptr [rsi], cx\"\nform bit, \"nm\", \"\\op dword ptr [rsi], ecx\"\nform bit, \"nm\", \"\\op qword ptr [rsi], rcx\"\nform bit, \"nm\", \"\\op dword ptr [esi], ecx\"\n"
    "form bit, \"m\", \"\\op word ptr [rsi], 35\"\nform bit, \"m\", \"\\op qword ptr [rsi], 40\"\n"
    ".endr\n"
    "form bit, \"nm\", \"lock bts qword ptr [rsi], rcx\"\n"
    ".irp op, bsf, bsr, popcnt, lzcnt, tzcnt\n"
    "form bit, \"ac\", \"\\op ax, cx\"\nform bit, \"ac\", \"\\op eax, ecx\"\nform bit, \"ac\", \"\\op rax, rcx\"\nform bit, \"m\", \"\\op rax, qword ptr [rsi]\"\n"
    ".endr\n"
    ".irp op, blsi, blsr, blsmsk\nform bit, \"c\", \"\\op eax, ecx\"\nform bit, \"c\", \"\\op rax, rcx\"\n.endr\n"
    ".irp op, andn, pdep, pext\nform bit, \"bc\", \"\\op eax, ebx, ecx\"\nform bit, \"bc\", \"\\op rax, rbx, rcx\"\n.endr\n"
    ".irp op, bextr, bzhi\nform bit, \"bx\", \"\\op eax, ebx, ecx\"\nform bit, \"bx\", \"\\op rax, rbx, rcx\"\nform bit, \"bc\", \"\\op rax, rbx, rcx\"\n.endr\n"
    "form bit, \"ac\", \"crc32 eax, cl\"\nform bit, \"ac\", \"crc32 eax, cx\"\nform bit, \"ac\", \"crc32 eax, ecx\"\nform bit, \"ac\", \"crc32 rax, cl\"\nform bit, \"ac\", \"crc32 rax, rcx\"\n"

    /* ---- multiply and divide */
    ".irp op, mul, imul\n"
    "form multiply, \"ab\", \"\\op bl\"\nform multiply, \"a\", \"\\op ah\"\nform multiply, \"ab\", \"\\op bx\"\nform multiply, \"ab\", \"\\op ebx\"\nform multiply, \"ab\", \"\\op rbx\"\nform multiply, \"am\", \"\\op qword ptr [rsi]\"\n"
    ".endr\n"
    ".irp op, div, idiv\n"
    "form multiply, \"ab\", \"\\op bl\"\nform multiply, \"abD\", \"\\op bx\"\nform multiply, \"abD\", \"\\op ebx\"\nform multiply, \"abD\", \"\\op rbx\"\nform multiply, \"aDm\", \"\\op dword ptr [rsi]\"\n"
    ".endr\n"
    "form multiply, \"ab\", \"imul ax, bx\"\nform multiply, \"ab\", \"imul eax, ebx\"\nform multiply, \"ab\", \"imul rax, rbx\"\nform multiply, \"b\", \"imul ax, bx, -3\"\nform multiply, \"b\", \"imul eax, ebx, 100\"\n"
    "form multiply, \"b\", \"imul rax, rbx, -7\"\nform multiply, \"b\", \"imul rax, rbx, 0x12345678\"\nform multiply, \"b\", \"imul eax, ebx, -0x12345678\"\nform multiply, \"b\", \"imul ax, bx, 0x1234\"\nform multiply, \"m\", \"imul rax, qword ptr [rsi]\"\n"
    "form multiply, \"bd\", \"mulx eax, ecx, ebx\"\nform multiply, \"bd\", \"mulx rax, rcx, rbx\"\nform multiply, \"bd\", \"mulx rax, rax, rbx\"\n"
    ".irp op, adcx, adox\nform multiply, \"ac\", \"\\op eax, ecx\"\nform multiply, \"ac\", \"\\op rax, rcx\"\n.endr\n"

    /* ---- moves and conditions */
    "form move, \"ac\", \"mov al, cl\"\nform move, \"ac\", \"mov ah, cl\"\nform move, \"ac\", \"mov cl, ah\"\nform move, \"ac\", \"mov sil, al\"\nform move, \"ac\", \"mov ax, cx\"\nform move, \"ac\", \"mov eax, ecx\"\nform move, \"ac\", \"mov rax, rcx\"\nform move, \"a\", \"mov r9, rax\"\n"
    "form move, \"a\", \"mov al, 0x99\"\nform move, \"a\", \"mov ax, 0x9999\"\nform move, \"a\", \"mov eax, 0x99999999\"\nform move, \"a\", \"mov rax, -0x66666666\"\nform move, \"a\", \"movabs rax, 0x123456789abcdef0\"\n"
    "form move, \"am\", \"mov byte ptr [rsi+3], ah\"\nform move, \"am\", \"mov word ptr [rsi], ax\"\nform move, \"am\", \"mov dword ptr [rsi], eax\"\nform move, \"am\", \"mov qword ptr [rsi], rax\"\nform move, \"m\", \"mov qword ptr [rsi], -0x77777777\"\n"
    "form move, \"am\", \"mov al, byte ptr [rsi]\"\nform move, \"am\", \"mov ax, word ptr [rsi]\"\nform move, \"am\", \"mov eax, dword ptr [rsi]\"\nform move, \"am\", \"mov rax, qword ptr [rsi]\"\nform move, \"am\", \"movnti qword ptr [rsi], rax\"\n"
    "form move, \"am\", \"movabs al, byte ptr ds:[0x20000801]\"\nform move, \"am\", \"movabs qword ptr ds:[0x20000800], rax\"\n"
    ".irp op, movzx, movsx\n"
    "form move, \"ac\", \"\\op ax, cl\"\nform move, \"ac\", \"\\op eax, cl\"\nform move, \"ac\", \"\\op rax, cl\"\nform move, \"ac\", \"\\op eax, ch\"\nform move, \"ac\", \"\\op eax, cx\"\nform move, \"ac\", \"\\op rax, cx\"\nform move, \"m\", \"\\op eax, byte ptr [rsi]\"\nform move, \"m\", \"\\op rax, word ptr [rsi]\"\n"
    ".endr\n"
    "form move, \"ac\", \"movsxd rax, ecx\"\nform move, \"ac\", \".byte 0x63, 0xc1\"\nform move, \"ac\", \".byte 0x66, 0x63, 0xc1\"\n"
    ".irp op, cbw, cwde, cdqe\nform move, \"a\", \"\\op\"\n.endr\n.irp op, cwd, cdq, cqo\nform move, \"ad\", \"\\op\"\n.endr\n"
    "form move, \"a\", \"bswap eax\"\nform move, \"a\", \"bswap rax\"\n"
    "form move, \"am\", \"movbe ax, word ptr [rsi]\"\nform move, \"am\", \"movbe eax, dword ptr [rsi]\"\nform move, \"am\", \"movbe rax, qword ptr [rsi]\"\nform move, \"am\", \"movbe word ptr [rsi], ax\"\nform move, \"am\", \"movbe dword ptr [rsi], eax\"\nform move, \"am\", \"movbe qword ptr [rsi], rax\"\n"
    "form move, \"ac\", \"lea rax, [rcx + rax*8 - 0x12345]\"\nform move, \"ac\", \"lea eax, [rcx + rax*2 + 0x7f]\"\nform move, \"ac\", \"lea ax, [rcx + rax*4]\"\nform move, \"ac\", \"lea rax, [ecx + eax*4 + 5]\"\nform move, \"\", \"lea rax, [rip + 0x1234]\"\nform move, \"\", \"lea rax, [eip - 0x1234]\"\nform move, \"\", \"lea rax, [r13 + r12*1]\"\n"
    "form move, \"as\", \"lea rbx, [rsi - 0x80]; xlatb\"\n"
    "form move, \"ac\", \"nop dword ptr [rax + rcx*2]\"\nform move, \"a\", \"endbr64\"\nform move, \"m\", \"prefetcht0 byte ptr [rsi]\"\nform move, \"\", \"mfence; lfence; sfence\"\nform move, \"m\", \"clflush byte ptr [rsi]\"\n"
    "form flags, \"a\", \"lahf\"\nform flags, \"a\", \"sahf\"\nform flags, \"\", \"clc\"\nform flags, \"\", \"stc\"\nform flags, \"\", \"cmc\"\nform flags, \"\", \"std\"\nform flags, \"\", \"std; cld\"\n"
    ".irp c, o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g\n"
    "form condition, \"a\", \"set\\c al\"\nform condition, \"ac\", \"cmov\\c eax, ecx\"\nform condition, \"\", \"j\\c .+4; mov al, 0x55\"\n.endr\n"
    "form condition, \"m\", \"setb byte ptr [rsi]\"\nform condition, \"a\", \"setle ah\"\nform condition, \"ac\", \"cmovb ax, cx\"\nform condition, \"ac\", \"cmovle rax, rcx\"\nform condition, \"am\", \"cmovne rax, qword ptr [rsi]\"\nform condition, \"\", \".byte 0x0f, 0x84, 2, 0, 0, 0; mov al, 0x55\"\n"

    /* ---- stack and branches */
    "form stack, \"as\", \"push rax\"\nform stack, \"as\", \"push ax\"\nform stack, \"s\", \"push rsp\"\nform stack, \"s\", \"push -2\"\nform stack, \"s\", \"push 0x12345678\"\nform stack, \"s\", \".byte 0x66; push -2\"\nform stack, \"s\", \"push qword ptr [rsp + 8]\"\nform stack, \"s\", \"push word ptr [rsi]\"\n"
    "form stack, \"s\", \"pop rax\"\nform stack, \"as\", \"pop ax\"\nform stack, \"s\", \"pop rsp\"\nform stack, \"s\", \"pop sp; mov rax, rsp; lea rsp, [rsi]\"\nform stack, \"s\", \"pop qword ptr [rsp]\"\nform stack, \"s\", \"pop qword ptr [rsp - 16]\"\nform stack, \"s\", \"pop word ptr [rsp + 4]\"\nform stack, \"s\", \"pop qword ptr [rsi - 24]\"\n"
    "form stack, \"s\", \"leave\"\nform stack, \"s\", \".byte 0x66; leave; mov rax, rbp; mov ebp, 0\"\nform stack, \"s\", \"enter 16, 0\"\nform stack, \"s\", \"enter 8, 1\"\nform stack, \"s\", \"enter 8, 3\"\nform stack, \"s\", \"data16 enter 2, 2\"\n"
    "form stack, \"s\", \"call .+5; pop rax\"\nform stack, \"s\", \"lea rax, [rip + 2]; call rax\"\nform stack, \"s\", \"lea rax, [rip + 2]; push rax; ret\"\nform stack, \"s\", \"lea rax, [rip + 4]; push rax; ret 8\"\nform stack, \"\", \"lea rax, [rip + 4]; jmp rax; mov cl, 1\"\nform stack, \"\", \"jmp .+4; mov cl, 1\"\nform stack, \"s\", \"lea rax, [rip + 9]; mov qword ptr [rsi], rax; jmp qword ptr [rsi]; mov dl, 1; mov dl, 2; mov dl, 3\"\n"
    ".irp op, loop, loope, loopne, jrcxz\nform stack, \"r\", \"\\op .+4; mov al, 0x55\"\nform stack, \"r\", \".byte 0x67; \\op .+4; mov al, 0x55\"\n.endr\n"
    "form stack, \"r\", \"xor eax, eax; jrcxz .+6; inc eax; loop .-2\"\n"

    /* ---- strings */
    ".irp w, b, w, d, q\n"
    "form string, \"as\", \"movs\\w\"\nform string, \"as\", \"stos\\w\"\nform string, \"as\", \"lods\\w\"\nform string, \"az\", \"cmps\\w\"\nform string, \"az\", \"scas\\w\"\n"
    "form string, \"ars\", \"rep movs\\w\"\nform string, \"ars\", \"rep stos\\w\"\nform string, \"ars\", \"rep lods\\w\"\nform string, \"arz\", \"repe cmps\\w\"\nform string, \"arz\", \"repne cmps\\w\"\nform string, \"arz\", \"and eax, 0x01010101; repne scas\\w\"\nform string, \"arz\", \"and eax, 0x01010101; repe scas\\w\"\n"
    ".endr\n"
    "form string, \"ars\", \"std; rep movsq; cld\"\nform string, \"ars\", \"std; rep stosd; cld\"\nform string, \"ars\", \".byte 0x67; rep movsb\"\nform string, \"ars\", \"std; .byte 0x67; rep stosw; cld\"\n"

    /* ---- 32-bit mode */
    ".irp op, aaa, aas, daa, das\nform32 protected, \"a\", \"\\op\"\n.endr\n"
    ".irp n, 10, 16, 7, 255\nform32 protected, \"a\", \"aam \\n\"\nform32 protected, \"a\", \"aad \\n\"\n.endr\n"
    "form32 protected, \"a\", \".byte 0xd6\"\nform32 protected, \"a\", \".byte 0x40\"\nform32 protected, \"a\", \".byte 0x66, 0x48\"\nform32 protected, \"ab\", \"add eax, ebx\"\nform32 protected, \"as\", \"push eax\"\nform32 protected, \"as\", \"push ax\"\nform32 protected, \"s\", \"pop dword ptr [esp + 4]\"\nform32 protected, \"s\", \"push esp\"\nform32 protected, \"abcds\", \"pushad\"\nform32 protected, \"abcds\", \"pushaw\"\n"
    "form32 protected, \"s\", \"popad; mov [0x20000800], esp; mov esp, 0x20000800\"\nform32 protected, \"s\", \"popaw\"\nform32 protected, \"s\", \"enter 4, 3\"\nform32 protected, \"s\", \"leave\"\nform32 protected, \"s\", \"call .+5; pop eax\"\nform32 protected, \"as\", \"mov [esi + 4], al\"\nform32 protected, \"as\", \"lea ax, [bx + si + 5]\"\nform32 protected, \"r\", \"jecxz .+4; mov al, 1\"\nform32 protected, \"r\", \"jcxz .+5; mov al, 1\"\nform32 protected, \"r\", \"loop .+4; mov al, 1\"\nform32 protected, \"nm\", \"bts dword ptr [esi], ecx\"\nform32 protected, \"ars\", \"rep stosd\"\nform32 protected, \"abcdme\", \"cmpxchg8b qword ptr [esi]\"\n"
    ".att_syntax\n");

static uint64_t seed = 0x76746d6f64656cull;
static uint64_t next(void) {
  uint64_t z = (seed += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
static const uint64_t boundaries[] = {0, 1, 2, 9, 0xf, 0x10, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
  0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0xfffffffffffffffe, 0xffffffffffffffff, 0xffffffffffffff80, 0xffffffffffff8000, 0xffffffff80000000, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa};
static uint64_t boundary(void) { return boundaries[next() % (sizeof boundaries / sizeof *boundaries)]; }
static uint64_t value(void) {
  static const uint64_t masks[] = {0xff, 0xffff, 0xffffffff};
  uint64_t mask;
  switch (next() % 5) {
    case 0: return next();
    case 1: return boundary();
    case 2: return next() & next() & next();
    default: mask = masks[next() % 3]; return (next() & ~mask) | (boundary() & mask);
  }
}

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
#define STATUS 0x8d5
#define SHOWN 0xcd5
#define MOST 40
static uint64_t fixed[16];
struct row { uint64_t in[16], in_flags, out[16], out_flags; uint8_t before[96], after[96]; };
static struct row rows[MOST];
static sigjmp_buf fault;
static void on_fault(int signal_number) { (void)signal_number; siglongjmp(fault, 1); }

static int has(const struct form *f, char c) { return strchr(f->inputs, c) != NULL; }
static int half(const struct form *f) { return has(f, 's') || has(f, 'z') ? 48 : has(f, 'm') ? 16 : 0; }
static const char *const names[] = {"rax","rcx","rdx","rbx","rsp","rbp","rsi","rdi","r8","r9","r10","r11","r12","r13","r14","r15"};

static void prepare(const struct form *f, struct row *r) {
  memcpy(r->in, fixed, sizeof fixed);
  if (has(f, 'a')) r->in[RAX] = value();
  if (has(f, 'b')) r->in[RBX] = value();
  if (has(f, 'c')) r->in[RCX] = value();
  if (has(f, 'd')) r->in[RDX] = value();
  if (has(f, 'k')) r->in[RCX] = (next() & ~0xffull) | (next() % 3 ? next() % 34 : next() & 0xff);
  if (has(f, 'n')) r->in[RCX] = (uint64_t)((int64_t)(next() & 0xff) - 128);
  if (has(f, 'x')) r->in[RCX] = (next() & ~0xffffull) | (next() % 70) | ((next() % 70) << 8);
  if (has(f, 'r')) r->in[RCX] = next() & 3;
  if (has(f, 'D')) { uint64_t v = value(); r->in[RDX] = next() % 3 == 0 ? v >> 60 : next() % 2 ? 0 : ~0ull; }
  for (int i = 0; i < 2 * half(f); i++) r->before[i] = has(f, 'z') ? (next() % 4 == 0) : next();
  if (has(f, 'e') && next() % 2) {
    if (has(f, 'm')) { memcpy(&r->in[RAX], r->before + 16, 8); if (has(f, 'd')) { memcpy(&r->in[RDX], r->before + (next() % 2 ? 24 : 20), 8); } }
    else r->in[RAX] = (next() << 32 << (next() % 2 ? 0 : 32)) | (next() % 2 ? r->in[RBX] : r->in[RBX] & 0xffffffff);
  }
  if (f->mode == 32) for (int i = 0; i < 16; i++) r->in[i] = i < 8 ? (uint32_t)r->in[i] : r->in[i];
  r->in_flags = next() & STATUS;
}

static int execute(const struct form *f, struct row *r) {
  int h = half(f);
  memset((void *)MEMORY, 0, 4096);
  memcpy((void *)(uintptr_t)(MIDDLE - h), r->before, 2 * h);
  memcpy(state->in, r->in, sizeof r->in);
  state->in_flags = r->in_flags | 0x202;
  if (sigsetjmp(fault, 1)) return 0;
  if (f->mode == 64) run64(); else run32();
  memcpy(r->out, state->out, sizeof r->out);
  r->out_flags = state->out_flags & SHOWN;
  memcpy(r->after, (void *)(uintptr_t)(MIDDLE - h), 2 * h);
  for (int i = 0; i < 4096; i++)
    if (((uint8_t *)MEMORY)[i] && (i < 0x800 - h || i >= 0x800 + h)) { fprintf(stderr, "%s writes outside its window\n", f->text); exit(1); }
  return 1;
}

static void place(const struct form *f) {
  uint8_t *code = (uint8_t *)CODE;
  size_t length = f->end - f->start;
  memcpy(code, f->start, length);
  uint32_t back_pointer = STATE + offsetof(struct state, back);
  uint32_t back_offset = (uint32_t)(uintptr_t)back;
  if (f->mode == 64) { memcpy(code + length, "\xff\x24\x25", 3); memcpy(code + length + 3, &back_pointer, 4); }
  else { code[length] = 0xea; memcpy(code + length + 1, &back_offset, 4); memcpy(code + length + 5, "\x33\0", 2); }
}

static void print_hex(FILE *file, const uint8_t *bytes, int count) { for (int i = 0; i < count; i++) fprintf(file, "%02x", bytes[i]); }

static void write_form(FILE *file, const struct form *f, int wanted, int first) {
  int count = 0;
  place(f);
  for (int attempt = 0; attempt < 20 * wanted && count < wanted; attempt++) {
    memset(&rows[count], 0, sizeof rows[count]);
    prepare(f, &rows[count]);
    count += execute(f, &rows[count]);
  }
  unsigned in = 0, out = 0, h = half(f), stored = 0;
  for (int i = 0; i < count; i++) {
    for (int n = 0; n < 16; n++) {
      if (rows[i].in[n] != (f->mode == 32 && n < 8 ? (uint32_t)fixed[n] : fixed[n])) in |= 1u << n;
      if (f->mode == 64 ? rows[i].out[n] != rows[i].in[n] : n < 8 && (uint32_t)rows[i].out[n] != rows[i].in[n]) out |= 1u << n;
    }
    if (memcmp(rows[i].before, rows[i].after, 2 * h)) stored = 1;
  }
  fprintf(file, "%s\n{\"text\":\"%s\",\"mode\":%d,\"code\":\"", first ? "" : ",", f->text, (int)f->mode);
  print_hex(file, (const uint8_t *)f->start, f->end - f->start);
  fprintf(file, "\",\"in\":[");
  for (int n = 0, comma = 0; n < 16; n++) if (in >> n & 1) fprintf(file, "%s\"%s\"", comma++ ? "," : "", names[n]);
  fprintf(file, "],\"out\":[");
  for (int n = 0, comma = 0; n < 16; n++) if (out >> n & 1) fprintf(file, "%s\"%s\"", comma++ ? "," : "", names[n]);
  fprintf(file, "],\"window\":%d,\"stores\":%s,\"rows\":[", h, stored ? "true" : "false");
  for (int i = 0; i < count; i++) {
    struct row *r = &rows[i];
    fprintf(file, "%s\n\"", i ? "," : "");
    for (int n = 0; n < 16; n++) if (in >> n & 1) fprintf(file, "%lx ", r->in[n]);
    fprintf(file, "%lx ", r->in_flags);
    if (h) { print_hex(file, r->before, 2 * h); fputc(' ', file); }
    fputc('>', file);
    for (int n = 0; n < 16; n++) if (out >> n & 1) fprintf(file, " %lx", f->mode == 32 ? (uint32_t)r->out[n] : r->out[n]);
    fprintf(file, " %lx", r->out_flags);
    if (stored) { fputc(' ', file); print_hex(file, r->after, 2 * h); }
    fputc('"', file);
  }
  fprintf(file, "]}");
}

int main(int argc, char **argv) {
  char path[512], vendor[13] = {0}, brand[49] = {0};
  unsigned a, b, c, d, family, model;
  __get_cpuid(0, &a, &b, &c, &d);
  memcpy(vendor, &b, 4); memcpy(vendor + 4, &d, 4); memcpy(vendor + 8, &c, 4);
  for (unsigned i = 0; i < 3; i++) { __get_cpuid(0x80000002 + i, &a, &b, &c, &d); unsigned four[] = {a, b, c, d}; memcpy(brand + 16 * i, four, 16); }
  __get_cpuid(1, &a, &b, &c, &d);
  family = ((a >> 8) & 15) + ((a >> 20) & 255); model = ((a >> 4) & 15) | (((a >> 16) & 15) << 4);
  for (uintptr_t base = STATE; base <= CODE; base += 0x10000000)
    if (mmap((void *)base, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) return perror("mmap"), 1;
  for (int n = 0; n < 16; n++) fixed[n] = 0x1111111111111111ull * n + 0x123456789abcull;
  fixed[RSP] = fixed[RSI] = MIDDLE; fixed[RDI] = MIDDLE + 8; fixed[RBP] = MIDDLE + 16;
  state->code = CODE; state->back = (uintptr_t)back; state->far_offset = CODE; state->far_selector = 0x23;
  stack_t alternate = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
  sigaction(SIGFPE, &action, NULL);
  asm volatile("mov %0, %%ds\nmov %0, %%es" ::"r"(0x2b));
  const char *group = "";
  FILE *file = NULL;
  int first = 0;
  for (struct form *f = __start_forms; f < __stop_forms; f++) {
    if (strcmp(group, f->group)) {
      /* Forms of one group need not stand together: each group is written when it first appears. */
      int seen = 0;
      for (struct form *g = __start_forms; g < f; g++) seen |= !strcmp(g->group, f->group);
      if (seen) continue;
      group = f->group;
      snprintf(path, sizeof path, "%s/%s.json", argc > 1 ? argv[1] : ".", group);
      if (!(file = fopen(path, "w"))) return perror(path), 1;
      fprintf(file, "{\"processor\":{\"vendor\":\"%s\",\"name\":\"%s\",\"family\":%u,\"model\":%u},\n\"codeAddress\":\"%x\",\"middle\":\"%x\",\n\"registers\":[", vendor, brand, family, model, CODE, MIDDLE);
      for (int n = 0; n < 16; n++) fprintf(file, "%s\"%lx\"", n ? "," : "", fixed[n]);
      fprintf(file, "],\n\"forms\":[");
      first = 1;
      for (struct form *g = f; g < __stop_forms; g++)
        if (!strcmp(g->group, group)) { int big = half(g) == 48; write_form(file, g, strstr("condition shift", group) ? 12 : big ? 6 : 16, first); first = 0; }
      fprintf(file, "]}\n");
      fclose(file);
    }
  }
  return 0;
}
