import { ORDERS, PACKED, SCALAR } from './vector-38-fma';

// SDM Vol. 2, AVX512-FP16: EVEX maps 5 and 6, and its instructions in map 0F 3A. Notation: rows.ts
const arithmetic = (opcode: string, name: string, trait: string): string => `
${opcode} np e0 v${name}ph V,H,W*w ${trait}
${opcode} f3 e0 v${name}sh Vo,Ho,Ww ${trait}`;

export const FP16_MAP5 = `
10 f3 e0 vmovsh Vo,Mw
10 f3 e0 vmovsh Vo,Ho,Uo
11 f3 e0 vmovsh Mw,Vo
11 f3 e0 vmovsh Uo,Ho,Vo
1d 66 e0 vcvtps2phx Vh,W*d er
1d np e0 vcvtss2sh Vo,Ho,Wd er
2a f3 e vcvtsi2sh Vo,Ho,Ey er nk
2c f3 e vcvttsh2si Gy,Ww sae nk
2d f3 e vcvtsh2si Gy,Ww er nk
2e np e0 vucomish Vo,Ww sae nk
2f np e0 vcomish Vo,Ww sae nk
51 np e0 vsqrtph V,W*w er
51 f3 e0 vsqrtsh Vo,Ho,Ww er
${arithmetic('58', 'add', 'er')}
${arithmetic('59', 'mul', 'er')}
${arithmetic('5c', 'sub', 'er')}
${arithmetic('5d', 'min', 'sae')}
${arithmetic('5e', 'div', 'er')}
${arithmetic('5f', 'max', 'sae')}
5a np e0 vcvtph2pd V,Wf*w sae
5a 66 e1 vcvtpd2ph Vf,W*q er
5a f3 e0 vcvtsh2sd Vo,Ho,Ww sae
5a f2 e1 vcvtsd2sh Vo,Ho,Wq er
5b np e0 vcvtdq2ph Vh,W*d er
5b np e1 vcvtqq2ph Vf,W*q er
5b 66 e0 vcvtph2dq V,Wh*w er
5b f3 e0 vcvttph2dq V,Wh*w sae
6e 66 l0 e vmovw Vo,Ey/w nk
7e 66 l0 e vmovw Ey/w,Vo nk
78 np e0 vcvttph2udq V,Wh*w sae
78 66 e0 vcvttph2uqq V,Wf*w sae
78 f3 e vcvttsh2usi Gy,Ww sae nk
79 np e0 vcvtph2udq V,Wh*w er
79 66 e0 vcvtph2uqq V,Wf*w er
79 f3 e vcvtsh2usi Gy,Ww er nk
7a 66 e0 vcvttph2qq V,Wf*w sae
7a f2 e0 vcvtudq2ph Vh,W*d er
7a f2 e1 vcvtuqq2ph Vf,W*q er
7b 66 e0 vcvtph2qq V,Wf*w er
7b f3 e vcvtusi2sh Vo,Ho,Ey er nk
7c np e0 vcvttph2uw V,W*w sae
7c 66 e0 vcvttph2w V,W*w sae
7d np e0 vcvtph2uw V,W*w er
7d 66 e0 vcvtph2w V,W*w er
7d f3 e0 vcvtw2ph V,W*w er
7d f2 e0 vcvtuw2ph V,W*w er
`;

/** The complex multiplications work on pairs, the fused multiply-adds follow those of map 0F 38. */
const COMPLEX: readonly (readonly [opcode: string, prefix: string, name: string])[] = [
  ['56', 'f3', 'vfmaddc'],
  ['56', 'f2', 'vfcmaddc'],
  ['d6', 'f3', 'vfmulc'],
  ['d6', 'f2', 'vfcmulc'],
];

const complexRows = COMPLEX.flatMap(([opcode, prefix, name]) => [
  `${opcode} ${prefix} e0 ${name}ph V,H,W*d er apart`,
  `${opcode.replace('6', '7')} ${prefix} e0 ${name}sh Vo,Ho,Wd er apart`,
]);

const fusedRows = ORDERS.flatMap(([high, order]) => [
  ...PACKED.map(([low, name]) => `${high}${low} 66 e0 ${name}${order}ph V,H,W*w er`),
  ...SCALAR.map(([low, name]) => `${high}${low} 66 e0 ${name}${order}sh Vo,Ho,Ww er`),
]);

export const FP16_MAP6 = `
13 66 e0 vcvtph2psx V,Wh*w sae
13 np e0 vcvtsh2ss Vo,Ho,Ww sae
2c 66 e0 vscalefph V,H,W*w er
2d 66 e0 vscalefsh Vo,Ho,Ww er
42 66 e0 vgetexpph V,W*w sae
43 66 e0 vgetexpsh Vo,Ho,Ww sae
4c 66 e0 vrcpph V,W*w
4d 66 e0 vrcpsh Vo,Ho,Ww
4e 66 e0 vrsqrtph V,W*w
4f 66 e0 vrsqrtsh Vo,Ho,Ww
${[...complexRows, ...fusedRows].join('\n')}
`;

export const FP16_3A = `
08 np e0 vrndscaleph V,W*w,Ib sae
0a np e0 vrndscalesh Vo,Ho,Ww,Ib sae
26 np e0 vgetmantph V,W*w,Ib sae
27 np e0 vgetmantsh Vo,Ho,Ww,Ib sae
56 np e0 vreduceph V,W*w,Ib sae
57 np e0 vreducesh Vo,Ho,Ww,Ib sae
66 np e0 vfpclassph KG,W*w,Ib
67 np e0 vfpclasssh KG,Ww,Ib
c2 np e0 vcmpph KG,H,W*w,Ib sae
c2 f3 e0 vcmpsh KG,Ho,Ww,Ib sae
`;
