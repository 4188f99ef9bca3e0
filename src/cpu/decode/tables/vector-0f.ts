// SDM Vol. 2, Table A-3 Two-byte Opcode Map: moves, floating point and conversions of MMX, SSE, AVX and AVX-512. Notation: rows.ts

/** An operation on packed and scalar single and double precision: four rows. */
const arithmetic = (opcode: string, name: string, trait: string): string => `
${opcode} np s v e0 ${name}ps V,H,W*d ${trait}
${opcode} 66 s v e1 ${name}pd V,H,W*q ${trait}
${opcode} f3 s v e0 ${name}ss Vo,Ho,Wd ${trait}
${opcode} f2 s v e1 ${name}sd Vo,Ho,Wq ${trait}`;

/** Packed single and double precision alone. */
const packed = (opcode: string, name: string): string => `
${opcode} np s v e0 ${name}ps V,H,W*d
${opcode} 66 s v e1 ${name}pd V,H,W*q`;

const MOVES = `
10 np s v e0 movups V,W
10 66 s v e1 movupd V,W
10 f3 s movss Vo,Wd
10 f3 v e0 vmovss Vo,Md
10 f3 v e0 vmovss Vo,Ho,Uo
10 f2 s movsd Vo,Wq
10 f2 v e1 vmovsd Vo,Mq
10 f2 v e1 vmovsd Vo,Ho,Uo
11 np s v e0 movups W,V
11 66 s v e1 movupd W,V
11 f3 s movss Wd,Vo
11 f3 v e0 vmovss Md,Vo
11 f3 v e0 vmovss Uo,Ho,Vo
11 f2 s movsd Wq,Vo
11 f2 v e1 vmovsd Mq,Vo
11 f2 v e1 vmovsd Uo,Ho,Vo
12 np l0 s v e0 movhlps Vo,Ho,Uo nk
12 np l0 s v e0 movlps Vo,Ho,Mq nk
12 66 l0 s v e1 movlpd Vo,Ho,Mq nk
12 f3 s v e0 movsldup V,W
12 f2 l0 s v e1 movddup Vo,Wq
12 f2 v e1 vmovddup V,W
13 np l0 s v e0 movlps Mq,Vo nk
13 66 l0 s v e1 movlpd Mq,Vo nk
16 np l0 s v e0 movlhps Vo,Ho,Uo nk
16 np l0 s v e0 movhps Vo,Ho,Mq nk
16 66 l0 s v e1 movhpd Vo,Ho,Mq nk
16 f3 s v e0 movshdup V,W
17 np l0 s v e0 movhps Mq,Vo nk
17 66 l0 s v e1 movhpd Mq,Vo nk
28 np s v e0 movaps V,W
28 66 s v e1 movapd V,W
29 np s v e0 movaps W,V
29 66 s v e1 movapd W,V
2b np s v e0 movntps Mx,V nk
2b 66 s v e1 movntpd Mx,V nk
50 np s v movmskps Gy,U
50 66 s v movmskpd Gy,U
6e np w0 movd P,Ed
6e np w1 movq P,Eq
6e 66 o64 l0 s1 v1 e1 movq Vo,Eq nk
6e 66 l0 s v e movd Vo,Ed nk
6f np movq P,Qq
6f 66 s v movdqa V,W
6f f3 s v movdqu V,W
6f 66 e0 vmovdqa32 V,W
6f 66 e1 vmovdqa64 V,W
6f f3 e0 vmovdqu32 V,W
6f f3 e1 vmovdqu64 V,W
6f f2 e0 vmovdqu8 V,W
6f f2 e1 vmovdqu16 V,W
7e np w0 movd Ed,P
7e np w1 movq Eq,P
7e 66 o64 l0 s1 v1 e1 movq Eq,Vo nk
7e 66 l0 s v e movd Ed,Vo nk
7e f3 l0 s v e1 movq Vo,Wq nk
7f np movq Qq,P
7f 66 s v movdqa W,V
7f f3 s v movdqu W,V
7f 66 e0 vmovdqa32 W,V
7f 66 e1 vmovdqa64 W,V
7f f3 e0 vmovdqu32 W,V
7f f3 e1 vmovdqu64 W,V
7f f2 e0 vmovdqu8 W,V
7f f2 e1 vmovdqu16 W,V
d6 66 l0 s v e1 movq Wq,Vo nk
d6 f3 movq2dq Vo,N
d6 f2 movdq2q P,Uo
d7 np pmovmskb Gy,N
d7 66 s v pmovmskb Gy,U
e7 np movntq Mq,P
e7 66 s v e0 movntdq Mx,V nk
f0 f2 s v lddqu V,Mx
f7 np maskmovq P,N seg
f7 66 l0 s v maskmovdqu Vo,Uo seg
`;

const FLOATING_POINT = `
${packed('14', 'unpckl')}
${packed('15', 'unpckh')}
2e np s v e0 ucomiss Vo,Wd sae nk
2e 66 s v e1 ucomisd Vo,Wq sae nk
2f np s v e0 comiss Vo,Wd sae nk
2f 66 s v e1 comisd Vo,Wq sae nk
51 np s v e0 sqrtps V,W*d er
51 66 s v e1 sqrtpd V,W*q er
51 f3 s v e0 sqrtss Vo,Ho,Wd er
51 f2 s v e1 sqrtsd Vo,Ho,Wq er
52 np s v rsqrtps V,W
52 f3 s v rsqrtss Vo,Ho,Wd
53 np s v rcpps V,W
53 f3 s v rcpss Vo,Ho,Wd
${packed('54', 'and')}
${packed('55', 'andn')}
${packed('56', 'or')}
${packed('57', 'xor')}
${arithmetic('58', 'add', 'er')}
${arithmetic('59', 'mul', 'er')}
${arithmetic('5c', 'sub', 'er')}
${arithmetic('5d', 'min', 'sae')}
${arithmetic('5e', 'div', 'er')}
${arithmetic('5f', 'max', 'sae')}
7c 66 s v haddpd V,H,W
7c f2 s v haddps V,H,W
7d 66 s v hsubpd V,H,W
7d f2 s v hsubps V,H,W
c2 np s v cmpps V,H,W,Ib
c2 66 s v cmppd V,H,W,Ib
c2 f3 s v cmpss Vo,Ho,Wd,Ib
c2 f2 s v cmpsd Vo,Ho,Wq,Ib
c2 np e0 vcmpps KG,H,W*d,Ib sae
c2 66 e1 vcmppd KG,H,W*q,Ib sae
c2 f3 e0 vcmpss KG,Ho,Wd,Ib sae
c2 f2 e1 vcmpsd KG,Ho,Wq,Ib sae
c6 np s v e0 shufps V,H,W*d,Ib
c6 66 s v e1 shufpd V,H,W*q,Ib
d0 66 s v addsubpd V,H,W
d0 f2 s v addsubps V,H,W
`;

const CONVERSIONS = `
2a np cvtpi2ps Vo,Qq
2a 66 cvtpi2pd Vo,Qq
2a f3 s v e cvtsi2ss Vo,Ho,Ey er nk
2a f2 s v e cvtsi2sd Vo,Ho,Ey er nk
2c np cvttps2pi P,Wq
2c 66 cvttpd2pi P,Wo
2c f3 s v e cvttss2si Gy,Wd sae nk
2c f2 s v e cvttsd2si Gy,Wq sae nk
2d np cvtps2pi P,Wq
2d 66 cvtpd2pi P,Wo
2d f3 s v e cvtss2si Gy,Wd er nk
2d f2 s v e cvtsd2si Gy,Wq er nk
5a np s v e0 cvtps2pd V,Wh*d sae
5a 66 s v e1 cvtpd2ps Vh,W*q er
5a f3 s v e0 cvtss2sd Vo,Ho,Wd sae
5a f2 s v e1 cvtsd2ss Vo,Ho,Wq er
5b np s v e0 cvtdq2ps V,W*d er
5b np e1 vcvtqq2ps Vh,W*q er
5b 66 s v e0 cvtps2dq V,W*d er
5b f3 s v e0 cvttps2dq V,W*d sae
78 np e0 vcvttps2udq V,W*d sae
78 np e1 vcvttpd2udq Vh,W*q sae
78 66 e0 vcvttps2uqq V,Wh*d sae
78 66 e1 vcvttpd2uqq V,W*q sae
78 f3 e vcvttss2usi Gy,Wd sae nk
78 f2 e vcvttsd2usi Gy,Wq sae nk
79 np e0 vcvtps2udq V,W*d er
79 np e1 vcvtpd2udq Vh,W*q er
79 66 e0 vcvtps2uqq V,Wh*d er
79 66 e1 vcvtpd2uqq V,W*q er
79 f3 e vcvtss2usi Gy,Wd er nk
79 f2 e vcvtsd2usi Gy,Wq er nk
7a 66 e0 vcvttps2qq V,Wh*d sae
7a 66 e1 vcvttpd2qq V,W*q sae
7a f3 e0 vcvtudq2pd V,Wh*d er
7a f3 e1 vcvtuqq2pd V,W*q er
7a f2 e0 vcvtudq2ps V,W*d er
7a f2 e1 vcvtuqq2ps Vh,W*q er
7b 66 e0 vcvtps2qq V,Wh*d er
7b 66 e1 vcvtpd2qq V,W*q er
7b f3 e vcvtusi2ss Vo,Ho,Ey er nk
7b f2 e vcvtusi2sd Vo,Ho,Ey er nk
e6 66 s v e1 cvttpd2dq Vh,W*q sae
e6 f3 s v e0 cvtdq2pd V,Wh*d er
e6 f3 e1 vcvtqq2pd V,W*q er
e6 f2 s v e1 cvtpd2dq Vh,W*q er
`;

const CONTROL = `
ae np l0 s v /2 ldmxcsr Md
ae np l0 s v /3 stmxcsr Md
`;

export const VECTOR_0F = [MOVES, FLOATING_POINT, CONVERSIONS, CONTROL].join('\n');
