// SDM Vol. 2, 2.7 (opmask instructions, VEX-encoded): one group of four, W and the prefix tell the width. Notation: rows.ts
const WIDTHS = [
  ['b', '66 v0'],
  ['w', 'np v0'],
  ['d', '66 v1'],
  ['q', 'np v1'],
];

const BINARY: readonly (readonly [opcode: string, name: string])[] = [
  ['41', 'kand'],
  ['42', 'kandn'],
  ['45', 'kor'],
  ['46', 'kxnor'],
  ['47', 'kxor'],
  ['4a', 'kadd'],
];

export const OPMASK_0F = WIDTHS.map(
  ([letter, conditions]) => `
${BINARY.map(([opcode, name]) => `${opcode} reg ${conditions} l1 ${name}${letter} KG,KB,KE`).join('\n')}
44 reg ${conditions} l0 knot${letter} KG,KE
90 ${conditions} l0 kmov${letter} KG,KE${letter}
91 mem ${conditions} l0 kmov${letter} M${letter},KG
98 reg ${conditions} l0 kortest${letter} KG,KE
99 reg ${conditions} l0 ktest${letter} KG,KE
`,
)
  .join('')
  .concat(`
4b reg 66 v0 l1 kunpckbw KG,KB,KE
4b reg np v0 l1 kunpckwd KG,KB,KE
4b reg np v1 l1 kunpckdq KG,KB,KE
92 reg 66 v0 l0 kmovb KG,Rd
92 reg np v0 l0 kmovw KG,Rd
92 reg f2 o64 v1 l0 kmovq KG,Rq
92 reg f2 l0 v kmovd KG,Rd
93 reg 66 v0 l0 kmovb Gd,KE
93 reg np v0 l0 kmovw Gd,KE
93 reg f2 o64 v1 l0 kmovq Gq,KE
93 reg f2 l0 v kmovd Gd,KE
`);

export const OPMASK_3A = `
30 reg 66 v0 l0 kshiftrb KG,KE,Ib
30 reg 66 v1 l0 kshiftrw KG,KE,Ib
31 reg 66 v0 l0 kshiftrd KG,KE,Ib
31 reg 66 v1 l0 kshiftrq KG,KE,Ib
32 reg 66 v0 l0 kshiftlb KG,KE,Ib
32 reg 66 v1 l0 kshiftlw KG,KE,Ib
33 reg 66 v0 l0 kshiftld KG,KE,Ib
33 reg 66 v1 l0 kshiftlq KG,KE,Ib
`;
