/*
 * Runs x87, MMX, SSE2 and AVX2 instructions on the processor of this machine and writes what they did to memory.
 *
 *   gcc -O1 -no-pie -masm=intel -o generate spec/cpu/instructions/extended/generate.c && ./generate > spec/cpu/instructions/extended/vectors.json
 *
 * Linux on x86-64 with AVX2. RDI points to 128 bytes: two random sources at 0 and 32, a control word at 64, results from 80 on (the rest is zero before). Inputs
 * come from a seeded generator.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SSE(f, op) f(op, #op " xmm0, xmm1", "movdqu xmm0, [rdi]\n movdqu xmm1, [rdi+32]\n", "\n movdqu [rdi+80], xmm0")
#define SSEI(f, op, imm) f(op##_##imm, #op " xmm0, xmm1, " #imm, "movdqu xmm0, [rdi]\n movdqu xmm1, [rdi+32]\n", "\n movdqu [rdi+80], xmm0")
#define SHIFT(f, op, imm) f(op##_by_##imm, #op " xmm0, " #imm, "movdqu xmm0, [rdi]\n", "\n movdqu [rdi+80], xmm0")
#define MMX(f, op) f(op##_mmx, #op " mm0, mm1", "movq mm0, [rdi]\n movq mm1, [rdi+32]\n", "\n movq [rdi+80], mm0\n emms")
#define AVX(f, op) f(v##op, "v" #op " ymm2, ymm0, ymm1", "vmovdqu ymm0, [rdi]\n vmovdqu ymm1, [rdi+32]\n", "\n vmovdqu [rdi+80], ymm2\n vzeroupper")
#define X87(f, id, text) f(x87_##id, text, "fninit\n fldcw [rdi+64]\n", "\n fnstsw [rdi+92]\n fninit")

#define INTEGER(f, op) SSE(f, op) MMX(f, op) AVX(f, op)
#define FORMS(f) \
  INTEGER(f, pand) INTEGER(f, pandn) INTEGER(f, por) INTEGER(f, pxor) INTEGER(f, paddb) INTEGER(f, paddw) INTEGER(f, paddd) INTEGER(f, paddq) \
  INTEGER(f, psubb) INTEGER(f, psubw) INTEGER(f, psubd) INTEGER(f, psubq) INTEGER(f, paddsb) INTEGER(f, paddsw) INTEGER(f, paddusb) \
  INTEGER(f, paddusw) INTEGER(f, psubsb) INTEGER(f, psubsw) INTEGER(f, psubusb) INTEGER(f, psubusw) INTEGER(f, pmullw) INTEGER(f, pmulhw) \
  INTEGER(f, pmulhuw) INTEGER(f, pmuludq) INTEGER(f, pmaddwd) INTEGER(f, pavgb) INTEGER(f, pavgw) INTEGER(f, pminub) INTEGER(f, pmaxub) \
  INTEGER(f, pminsw) INTEGER(f, pmaxsw) INTEGER(f, psadbw) INTEGER(f, pcmpeqb) INTEGER(f, pcmpeqw) INTEGER(f, pcmpeqd) INTEGER(f, pcmpgtb) \
  INTEGER(f, pcmpgtw) INTEGER(f, pcmpgtd) INTEGER(f, packsswb) INTEGER(f, packuswb) INTEGER(f, packssdw) INTEGER(f, punpckhbw) \
  INTEGER(f, punpckhwd) INTEGER(f, punpckhdq) INTEGER(f, punpcklbw) INTEGER(f, punpcklwd) INTEGER(f, punpckldq) SSE(f, punpcklqdq) \
  AVX(f, punpcklqdq) SSE(f, punpckhqdq) AVX(f, punpckhqdq) SSE(f, andps) SSE(f, andnpd) SSE(f, orps) SSE(f, xorpd) SSE(f, unpcklps) \
  SSE(f, unpckhps) SSE(f, unpcklpd) AVX(f, unpckhpd) SSE(f, movss) SSE(f, movsd) SSE(f, movhlps) SSE(f, movlhps) SSE(f, movq) SSE(f, movsldup) \
  SSE(f, movshdup) SSE(f, movddup) SSEI(f, shufps, 0x1b) SSEI(f, shufps, 0xe4) SSEI(f, shufpd, 1) SSEI(f, shufpd, 2) SSEI(f, pshufd, 0x4e) \
  SSEI(f, pshufhw, 0x93) SSEI(f, pshuflw, 0x39) SHIFT(f, psllw, 3) SHIFT(f, pslld, 31) SHIFT(f, psllq, 40) SHIFT(f, psrlw, 15) SHIFT(f, psrld, 7) \
  SHIFT(f, psrlq, 63) SHIFT(f, psraw, 20) SHIFT(f, psrad, 9) SHIFT(f, pslldq, 5) SHIFT(f, psrldq, 11) SHIFT(f, pslldq, 16) SHIFT(f, psrlq, 64) \
  f(pmovmskb, "pmovmskb eax, xmm1", "movdqu xmm1, [rdi+32]\n", "\n mov [rdi+80], eax") \
  f(movmskps, "movmskps eax, xmm1", "movdqu xmm1, [rdi+32]\n", "\n mov [rdi+80], eax") \
  f(movmskpd, "movmskpd eax, xmm1", "movdqu xmm1, [rdi+32]\n", "\n mov [rdi+80], eax") \
  f(vpmovmskb, "vpmovmskb eax, ymm1", "vmovdqu ymm1, [rdi+32]\n", "\n mov [rdi+80], eax\n vzeroupper") \
  f(pinsrw, "pinsrw xmm0, eax, 5", "movdqu xmm0, [rdi]\n mov eax, [rdi+32]\n", "\n movdqu [rdi+80], xmm0") \
  f(pextrw, "pextrw eax, xmm0, 13", "movdqu xmm0, [rdi]\n", "\n mov [rdi+80], eax") \
  f(movd, "movd xmm0, [rdi+32]", "movdqu xmm0, [rdi]\n", "\n movdqu [rdi+80], xmm0") \
  f(movhps, "movhps xmm0, [rdi+32]", "movdqu xmm0, [rdi]\n", "\n movdqu [rdi+80], xmm0") \
  f(movlpd, "movlpd xmm0, [rdi+32]", "movdqu xmm0, [rdi]\n", "\n movdqu [rdi+80], xmm0") \
  f(movss_load, "movss xmm0, [rdi+32]", "movdqu xmm0, [rdi]\n", "\n movdqu [rdi+80], xmm0") \
  X87(f, single, "fld dword ptr [rdi]\n fstp tbyte ptr [rdi+80]") X87(f, double, "fld qword ptr [rdi]\n fstp tbyte ptr [rdi+80]") \
  X87(f, to_single, "fld tbyte ptr [rdi]\n fst dword ptr [rdi+80]") X87(f, to_double, "fld tbyte ptr [rdi]\n fstp qword ptr [rdi+80]") \
  X87(f, double_to_single, "fld qword ptr [rdi]\n fstp dword ptr [rdi+80]") X87(f, fild16, "fild word ptr [rdi]\n fstp tbyte ptr [rdi+80]") \
  X87(f, fild32, "fild dword ptr [rdi]\n fstp tbyte ptr [rdi+80]") X87(f, fild64, "fild qword ptr [rdi]\n fstp tbyte ptr [rdi+80]") \
  X87(f, fistp16, "fld dword ptr [rdi+68]\n fistp word ptr [rdi+80]") X87(f, fistp32, "fld dword ptr [rdi+68]\n fistp dword ptr [rdi+80]") \
  X87(f, fistp64, "fld tbyte ptr [rdi+96]\n fistp qword ptr [rdi+80]") X87(f, fisttp32, "fld dword ptr [rdi+68]\n fisttp dword ptr [rdi+80]") \
  X87(f, fld1, "fld1\n fstp tbyte ptr [rdi+80]") X87(f, fldl2t, "fldl2t\n fstp tbyte ptr [rdi+80]") X87(f, fldl2e, "fldl2e\n fstp tbyte ptr [rdi+80]") \
  X87(f, fldpi, "fldpi\n fstp tbyte ptr [rdi+80]") X87(f, fldlg2, "fldlg2\n fstp tbyte ptr [rdi+80]") X87(f, fldln2, "fldln2\n fstp tbyte ptr [rdi+80]") \
  X87(f, fxam, "fld tbyte ptr [rdi]\n fxam") X87(f, fchs, "fld tbyte ptr [rdi]\n fchs\n fstp tbyte ptr [rdi+80]") \
  X87(f, fxch, "fld tbyte ptr [rdi]\n fld1\n fxch\n fstp tbyte ptr [rdi+80]") X87(f, fabs_, "fld tbyte ptr [rdi]\n fabs\n fstp tbyte ptr [rdi+80]") \
  X87(f, underflow, "fst qword ptr [rdi+80]") X87(f, underflow_integer, "fistp dword ptr [rdi+80]") \
  X87(f, overflow, "fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fldz\n fld1\n fstp tbyte ptr [rdi+80]") \
  X87(f, fcmov, "fld tbyte ptr [rdi]\n fldz\n fcmovnb st, st(1)\n fstp tbyte ptr [rdi+80]")

#define DEFINE(id, text, before, after) \
  asm(".text\nf_" #id ":\n" before text after "\n e_" #id ":\n ret\n"); \
  extern void f_##id(void *); \
  extern unsigned char e_##id[];
FORMS(DEFINE)

struct form {
  const char *text;
  void (*run)(void *);
  const unsigned char *end;
};
#define ROW(id, text, before, after) {text, f_##id, e_##id},
static const struct form forms[] = {FORMS(ROW)};

static uint64_t seed = 0x2545f4914f6cdd1dull;
static uint64_t next(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed * 0x9e3779b97f4a7c15ull;
}

static void hex(const unsigned char *bytes, int count) {
  for (int i = 0; i < count; i++) printf("%02x", bytes[i]);
}

/* Numbers near the limits of formats, as double extended precision. */
static void x87_operand(unsigned char *at, int row) {
  static const int exponents[] = {0x3fff, 0x3fff - 127, 0x3fff - 150, 0x3fff + 127, 0x3fff + 128, 0x3fff - 1023, 0x3fff - 1075, 0x3fff + 1023,
                                  0x7fff, 0, 0x3fff + 14, 0x3fff + 30, 0x3fff + 31, 0x3fff + 62, 0x3fff + 63, 0x3fff - 1};
  uint64_t significand = next() | 1ull << 63;
  if (row % 5 == 0) significand = 1ull << 63;
  if (row % 5 == 1) significand = ~0ull;
  if (row % 5 == 2) significand = (0xffffff8ull << 36) | (1ull << 63);
  uint16_t exponent = (uint16_t)(exponents[row % 16] | (next() & 1 ? 0x8000 : 0));
  if ((exponent & 0x7fff) == 0) significand = row % 3 == 0 ? 0 : significand >> 1;
  memcpy(at, &significand, 8);
  memcpy(at + 8, &exponent, 2);
}

static int rows_of(const struct form *form) { return strncmp((const char *)form->run, "\xdb\xe3", 2) == 0 ? 24 : 3; }

int main(void) {
  printf("{\n  \"forms\": [");
  for (unsigned n = 0; n < sizeof forms / sizeof *forms; n++) {
    const struct form *form = &forms[n];
    printf("%s\n    {\n      \"text\": \"", n ? "," : "");
    for (const char *c = form->text; *c; c++) printf(*c == '\n' ? ";" : "%c", *c);
    printf("\",\n      \"code\": \"");
    hex((const unsigned char *)form->run, form->end - (const unsigned char *)form->run);
    printf("\",\n      \"rows\": [");
    int rows = rows_of(form);
    for (int row = 0; row < rows; row++) {
      unsigned char memory[128] __attribute__((aligned(64))) = {0}, before[128];
      for (int i = 0; i < 8; i++) {
        uint64_t word = next();
        if (row == 1) word &= 0x80ff7f0180ff7f01ull | next();
        memcpy(memory + 8 * i, &word, 8);
      }
      if (rows > 3) {
        uint16_t control = (uint16_t)(0x37f | (row % 4) << 10);
        if (row % 2) x87_operand(memory, row / 2);
        else if (row % 8 == 0) memset(memory + 4, 0, 4), memcpy(memory, "\x01\x00\x80\x7f", 4);
        memcpy(memory + 64, &control, 2);
        static const float numbers[] = {0.5f, -1.5f, 2.5f, 32767.5f, -32768.5f, 2147483648.0f, -2147483648.0f, 1e30f, 3.7f, -0.2f, 65535.9f, 123456.7f};
        memcpy(memory + 68, &numbers[row % 12], 4);
        x87_operand(memory + 96, row);
      }
      memcpy(before, memory, 128);
      form->run(memory);
      printf("%s\n        \"", row ? "," : "");
      hex(before, 112);
      printf(">");
      hex(memory + 80, 32);
      printf("\"");
    }
    printf("\n      ]\n    }");
  }
  printf("\n  ]\n}\n");
  return 0;
}
