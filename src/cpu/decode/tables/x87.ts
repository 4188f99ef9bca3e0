// SDM Vol. 2, A.5 Escape Opcode Instructions. Notation: rows.ts
const ARITHMETIC = ['fadd', 'fmul', 'fcom', 'fcomp', 'fsub', 'fsubr', 'fdiv', 'fdivr'];

const arithmeticRows = ARITHMETIC.flatMap((name, number) => {
  const integer = name.replace('f', 'fi');
  // With the destination in ST(i) the reversed and the plain forms change places.
  const swapped = number >= 4 ? ARITHMETIC[number ^ 1] : name;
  const compares = name.startsWith('fcom');
  return [
    `d8 /${number} mem ${name} Md`,
    `d8 /${number} reg ${name} ${compares ? 'STi' : 'ST0,STi'}`,
    `da /${number} mem ${integer} Md`,
    `dc /${number} mem ${name} Mq`,
    `dc /${number} reg ${swapped} ${compares ? 'STi' : 'STi,ST0'}`,
    `de /${number} mem ${integer} Mw`,
    ...(compares ? [] : [`de /${number} reg ${swapped}p STi,ST0`]),
  ];
});

const byRm = (prefix: string, names: string): string =>
  names
    .split(' ')
    .flatMap((name, rm) => (name === '-' ? [] : [`${prefix} rm${rm} ${name}`]))
    .join('\n');

export const X87 = `
${arithmeticRows.join('\n')}
d9 /0 fld Md
d9 /2 fst Md
d9 /3 fstp Md
d9 /4 fldenv Menv z32
d9 /5 fldcw Mw
d9 /6 fnstenv Menv z32
d9 /7 fnstcw Mw
d9 /0 reg fld STi
d9 /1 reg fxch STi
d9 /2 reg rm0 fnop
${byRm('d9 /4 reg', 'fchs fabs - - ftst fxam')}
${byRm('d9 /5 reg', 'fld1 fldl2t fldl2e fldpi fldlg2 fldln2 fldz')}
${byRm('d9 /6 reg', 'f2xm1 fyl2x fptan fpatan fxtract fprem1 fdecstp fincstp')}
${byRm('d9 /7 reg', 'fprem fyl2xp1 fsqrt fsincos frndint fscale fsin fcos')}
da /0 reg fcmovb ST0,STi
da /1 reg fcmove ST0,STi
da /2 reg fcmovbe ST0,STi
da /3 reg fcmovu ST0,STi
da /5 reg rm1 fucompp
db /0 fild Md
db /1 fisttp Md
db /2 fist Md
db /3 fistp Md
db /5 fld M80
db /7 fstp M80
db /0 reg fcmovnb ST0,STi
db /1 reg fcmovne ST0,STi
db /2 reg fcmovnbe ST0,STi
db /3 reg fcmovnu ST0,STi
# FENI, FDISI and FSETPM of the 8087 and 80287 do nothing. SDM Vol. 3B, 23 Architecture Compatibility (x87 FPU)
${byRm('db /4 reg', 'fneni fndisi fnclex fninit fnsetpm')}
db /5 reg fucomi ST0,STi
db /6 reg fcomi ST0,STi
dd /0 fld Mq
dd /1 fisttp Mq
dd /2 fst Mq
dd /3 fstp Mq
dd /4 frstor Msav z32
dd /6 fnsave Msav z32
dd /7 fnstsw Mw
dd /0 reg ffree STi
dd /2 reg fst STi
dd /3 reg fstp STi
dd /4 reg fucom STi
dd /5 reg fucomp STi
de /3 reg rm1 fcompp
df /0 fild Mw
df /1 fisttp Mw
df /2 fist Mw
df /3 fistp Mw
df /4 fbld M80
df /5 fild Mq
df /6 fbstp M80
df /7 fistp Mq
df /4 reg rm0 fnstsw AX
df /5 reg fucomip ST0,STi
df /6 reg fcomip ST0,STi
# Aliases that the opcode map leaves blank and that processors execute.
d9 /3 reg fstp STi
dd /1 reg fxch STi
de /2 reg fcomp STi
df /0 reg ffreep STi
df /1 reg fxch STi
df /2 reg fstp STi
df /3 reg fstp STi
`;
