// SDM Vol. 2, Table A-2 One-byte Opcode Map; A.4 Opcode Extensions for One-Byte and Two-byte Opcodes. Notation: rows.ts
const ARITHMETIC = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const SHIFTS = ['rol', 'ror', 'rcl', 'rcr', 'shl', 'shr', 'shl', 'sar'];

const hex = (opcode: number): string => opcode.toString(16).padStart(2, '0');

const arithmeticRows = ARITHMETIC.flatMap((name, number) => {
  const at = (offset: number): string => hex(number * 8 + offset);
  const lock = name === 'cmp' ? '' : ' lock';
  return [
    `${at(0)} ${name} Eb,Gb${lock}`,
    `${at(1)} ${name} Ev,Gv${lock}`,
    `${at(2)} ${name} Gb,Eb`,
    `${at(3)} ${name} Gv,Ev`,
    `${at(4)} ${name} AL,Ib`,
    `${at(5)} ${name} rAX,Iz`,
    `80 /${number} ${name} Eb,Ib${lock}`,
    `81 /${number} ${name} Ev,Iz${lock}`,
    `82 i64 /${number} ${name} Eb,Ib${lock}`,
    `83 /${number} ${name} Ev,sIb${lock}`,
  ];
});

const shiftRows = SHIFTS.flatMap((name, number) =>
  ['c0 Eb,Ib', 'c1 Ev,Ib', 'd0 Eb,1', 'd1 Ev,1', 'd2 Eb,CL', 'd3 Ev,CL'].map((form) =>
    form.replace(' ', ` /${number} ${name} `),
  ),
);

export const ONE_BYTE = `
${arithmeticRows.join('\n')}
06 i64 push_sreg ES
07 i64 pop_sreg ES
0e i64 push_sreg CS
16 i64 push_sreg SS
17 i64 pop_sreg SS
1e i64 push_sreg DS
1f i64 pop_sreg DS
27 i64 daa
2f i64 das
37 i64 aaa
3f i64 aas
40+r i64 inc Zv
48+r i64 dec Zv
50+r push Zv d64
58+r pop Zv d64
60 i64 pusha
61 i64 popa
62 i64 bound Gv,Ma
63 i64 arpl Ew,Gw
63 o64 movsxd Gv,Ez
68 push Iz d64
69 imul Gv,Ev,Iz
6a push sIb d64
6b imul Gv,Ev,sIb
6c ins str byte
6d ins str z32
6e outs str byte
6f outs str z32
70+cc jcc Jb f64
84 test Eb,Gb
85 test Ev,Gv
86 xchg Eb,Gb lock
87 xchg Ev,Gv lock
88 mov Eb,Gb
89 mov Ev,Gv
8a mov Gb,Eb
8b mov Gv,Ev
8c mov_sreg Ev/w,S
8d lea Gv,M
# MOV to CS is undefined.
8e /0 mov_sreg S,Ew
8e /2 mov_sreg S,Ew
8e /3 mov_sreg S,Ew
8e /4 mov_sreg S,Ew
8e /5 mov_sreg S,Ew
8f /0 pop Ev d64
90 f3 pause
90 b0 nop
90+r xchg Zv,rAX
98 o16 cbw
98 w1 cdqe
98 cwde
99 o16 cwd
99 w1 cqo
99 cdq
9a i64 call_far A
9b fwait
9c pushf d64
9d popf d64
9e sahf
9f lahf
a0 mov AL,Ob
a1 mov rAX,Ov
a2 mov Ob,AL
a3 mov Ov,rAX
a4 movs str byte
a5 movs str
a6 cmps str byte
a7 cmps str
a8 test AL,Ib
a9 test rAX,Iz
aa stos str byte
ab stos str
ac lods str byte
ad lods str
ae scas str byte
af scas str
b0+r mov Zb,Ib
b8+r mov Zv,Iv
${shiftRows.join('\n')}
c2 ret Iw f64
c3 ret f64
c4 i64 les Gz,Mp
c5 i64 lds Gz,Mp
c6 /0 mov Eb,Ib
c6 /7 reg rm0 xabort Ib
c7 /0 mov Ev,Iz
c7 /7 reg rm0 xbegin Jz z32
c8 enter Iw,Ib d64
c9 leave d64
ca ret_far Iw
cb ret_far
cc int3
cd int Ib
ce i64 into
cf iret
d4 i64 aam Ib
d5 i64 aad Ib
d6 i64 salc
d7 xlat seg byte
e0 loopne Jb f64
e1 loope Jb f64
e2 loop Jb f64
e3 a16 jcxz Jb f64
e3 a32 jecxz Jb f64
e3 a64 jrcxz Jb f64
e4 in AL,Ib
e5 in rAX,Ib z32
e6 out Ib,AL byte
e7 out Ib,rAX z32
e8 call Jz f64
e9 jmp Jz f64
ea i64 jmp_far A
eb jmp Jb f64
ec in AL,DX
ed in rAX,DX z32
ee out DX,AL byte
ef out DX,rAX z32
f1 int1
f4 hlt
f5 cmc
f6 /0 test Eb,Ib
f6 /1 test Eb,Ib
f6 /2 not Eb lock
f6 /3 neg Eb lock
f6 /4 mul Eb
f6 /5 imul Eb
f6 /6 div Eb
f6 /7 idiv Eb
f7 /0 test Ev,Iz
f7 /1 test Ev,Iz
f7 /2 not Ev lock
f7 /3 neg Ev lock
f7 /4 mul Ev
f7 /5 imul Ev
f7 /6 div Ev
f7 /7 idiv Ev
f8 clc
f9 stc
fa cli
fb sti
fc cld
fd std
fe /0 inc Eb lock
fe /1 dec Eb lock
ff /0 inc Ev lock
ff /1 dec Ev lock
ff /2 call Ev f64
ff /3 call_far Mp
ff /4 jmp Ev f64
ff /5 jmp_far Mp
ff /6 push Ev d64
`;
