// SDM Vol. 2, Table A-3 Two-byte Opcode Map: packed integers of MMX, SSE, AVX and AVX-512. Notation: rows.ts

/** Packed integers on MMX, XMM, YMM and ZMM. */
const integers = (...pairs: readonly string[]): string =>
  pairs.map((pair) => `${pair.slice(0, 2)} 66 m s v e ${pair.slice(3)} V,H,W`).join('\n');

/** The EVEX forms compare into an opmask. */
const COMPARISONS = `
64 66 m s v pcmpgtb V,H,W
65 66 m s v pcmpgtw V,H,W
66 66 m s v pcmpgtd V,H,W
74 66 m s v pcmpeqb V,H,W
75 66 m s v pcmpeqw V,H,W
76 66 m s v pcmpeqd V,H,W
64 66 e vpcmpgtb KG,H,W
65 66 e vpcmpgtw KG,H,W
66 66 e0 vpcmpgtd KG,H,W*d
74 66 e vpcmpeqb KG,H,W
75 66 e vpcmpeqw KG,H,W
76 66 e0 vpcmpeqd KG,H,W*d
`;

const SHUFFLES = `
60 np punpcklbw P,Qd
61 np punpcklwd P,Qd
62 np punpckldq P,Qd
60 66 s v e punpcklbw V,H,W
61 66 s v e punpcklwd V,H,W
62 66 s v e0 punpckldq V,H,W*d
6a 66 m s v e0 punpckhdq V,H,W*d
6b 66 m s v e0 packssdw V,H,W*d
6c 66 s v e1 punpcklqdq V,H,W*q
6d 66 s v e1 punpckhqdq V,H,W*q
70 np pshufw P,Qq,Ib
70 66 s v e0 pshufd V,W*d,Ib
70 f3 s v e pshufhw V,W,Ib
70 f2 s v e pshuflw V,W,Ib
c4 np pinsrw P,Ey/w,Ib
c4 66 l0 s v e pinsrw Vo,Ho,Ey/w,Ib nk
c5 np pextrw Gy,N,Ib
c5 66 l0 s v e pextrw Gy,Uo,Ib nk
77 np emms
77 l0 np v vzeroupper
77 l1 np v vzeroall
${integers('63 packsswb', '67 packuswb', '68 punpckhbw', '69 punpckhwd')}
`;

/** Groups 12 to 14: shifts by an immediate. */
const SHIFT_GROUPS = [
  ['71 /2', 'psrlw', 'e'],
  ['71 /4', 'psraw', 'e'],
  ['71 /6', 'psllw', 'e'],
  ['72 /2', 'psrld', 'e0', '*d'],
  ['72 /4', 'psrad', 'e0', '*d'],
  ['72 /6', 'pslld', 'e0', '*d'],
  ['73 /2', 'psrlq', 'e1', '*q'],
  ['73 /6', 'psllq', 'e1', '*q'],
]
  .map(
    ([group, name, evex, element = '']) => `
${group} reg np ${name} N,Ib
${group} reg 66 ${name} U,Ib
${group} reg 66 v v${name} H,U,Ib
${group} 66 ${evex} v${name} H,W${element},Ib`,
  )
  .join('\n');

const SHIFTS = `
${SHIFT_GROUPS}
72 /0 66 e0 vprord H,W*d,Ib
72 /0 66 e1 vprorq H,W*q,Ib
72 /1 66 e0 vprold H,W*d,Ib
72 /1 66 e1 vprolq H,W*q,Ib
72 /4 66 e1 vpsraq H,W*q,Ib
73 /3 66 psrldq U,Ib
73 /3 66 v vpsrldq H,U,Ib
73 /3 66 e vpsrldq H,W,Ib nk
73 /7 66 pslldq U,Ib
73 /7 66 v vpslldq H,U,Ib
73 /7 66 e vpslldq H,W,Ib nk
d1 66 m s v e psrlw V,H,Wo
d2 66 m s v e0 psrld V,H,Wo
d3 66 m s v e1 psrlq V,H,Wo
e1 66 m s v e psraw V,H,Wo
e2 66 m s v e0 psrad V,H,Wo
e2 66 e1 vpsraq V,H,Wo
f1 66 m s v e psllw V,H,Wo
f2 66 m s v e0 pslld V,H,Wo
f3 66 m s v e1 psllq V,H,Wo
`;

const LOGIC = ['db pand', 'df pandn', 'eb por', 'ef pxor']
  .map((row) => {
    const [opcode, name] = row.split(' ');
    return `
${opcode} 66 m s v ${name} V,H,W
${opcode} 66 e0 v${name}d V,H,W*d
${opcode} 66 e1 v${name}q V,H,W*q`;
  })
  .join('\n');

const INTEGERS = `
${LOGIC}
${integers('d5 pmullw', 'd8 psubusb', 'd9 psubusw', 'da pminub', 'dc paddusb', 'dd paddusw', 'de pmaxub')}
${integers('e0 pavgb', 'e3 pavgw', 'e4 pmulhuw', 'e5 pmulhw', 'e8 psubsb', 'e9 psubsw', 'ea pminsw')}
${integers('ec paddsb', 'ed paddsw', 'ee pmaxsw', 'f5 pmaddwd', 'f8 psubb', 'f9 psubw', 'fc paddb', 'fd paddw')}
d4 66 m s v e1 paddq V,H,W*q
f4 66 m s v e1 pmuludq V,H,W*q
f6 66 m s v e psadbw V,H,W nk
fa 66 m s v e0 psubd V,H,W*d
fb 66 m s v e1 psubq V,H,W*q
fe 66 m s v e0 paddd V,H,W*d
`;

export const VECTOR_0F_INTEGER = [COMPARISONS, SHUFFLES, SHIFTS, INTEGERS].join('\n');
