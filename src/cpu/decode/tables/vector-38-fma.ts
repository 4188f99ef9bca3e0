// SDM Vol. 2, Table A-4 (0F 38H), rows 9, A and B: fused multiply-add in its three operand orders. Notation: rows.ts
export const ORDERS: readonly (readonly [high: string, order: string])[] = [
  ['9', '132'],
  ['a', '213'],
  ['b', '231'],
];

export const PACKED: readonly (readonly [low: string, name: string])[] = [
  ['6', 'vfmaddsub'],
  ['7', 'vfmsubadd'],
  ['8', 'vfmadd'],
  ['a', 'vfmsub'],
  ['c', 'vfnmadd'],
  ['e', 'vfnmsub'],
];

export const SCALAR: readonly (readonly [low: string, name: string])[] = [
  ['9', 'vfmadd'],
  ['b', 'vfmsub'],
  ['d', 'vfnmadd'],
  ['f', 'vfnmsub'],
];

export const FMA_38 = ORDERS.flatMap(([high, order]) => [
  ...PACKED.flatMap(([low, name]) => [
    `${high}${low} 66 v0 e0 ${name}${order}ps V,H,W*d er`,
    `${high}${low} 66 v1 e1 ${name}${order}pd V,H,W*q er`,
  ]),
  ...SCALAR.flatMap(([low, name]) => [
    `${high}${low} 66 v0 e0 ${name}${order}ss Vo,Ho,Wd er`,
    `${high}${low} 66 v1 e1 ${name}${order}sd Vo,Ho,Wq er`,
  ]),
])
  .concat(
    // AVX512_4FMAPS: Xeon Phi alone.
    `
9a f2 l2 e0 v4fmaddps V,H,Mo
9b f2 e0 v4fmaddss Vo,Ho,Mo
aa f2 l2 e0 v4fnmaddps V,H,Mo
ab f2 e0 v4fnmaddss Vo,Ho,Mo
`,
  )
  .join('\n');
