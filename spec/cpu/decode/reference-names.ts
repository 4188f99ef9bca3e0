import { Code, CodeExt, ConditionCode, Mnemonic } from 'iced-x86';

/** The condition codes of the reference in encoding order. */
const { o, no, b, ae, e, ne, be, a, s, ns, p, np, l, ge, le, g } = ConditionCode;
export const CONDITION_ORDER: readonly ConditionCode[] = [
  o,
  no,
  b,
  ae,
  e,
  ne,
  be,
  a,
  s,
  ns,
  p,
  np,
  l,
  ge,
  le,
  g,
];

const CONDITIONAL: Record<string, RegExp> = {
  jcc: /^J(?!mp|cxz|ecxz|rcxz)/,
  setcc: /^Set(?!ssbsy)/,
  cmovcc: /^Cmov/,
};

/** The reference has a name for each width where the manual has one generic name and we have `operandWidth`. */
const GENERIC: Record<string, readonly string[]> = {
  iret: ['iretd', 'iretq'],
  pushf: ['pushfd', 'pushfq'],
  popf: ['popfd', 'popfq'],
  pusha: ['pushad'],
  popa: ['popad'],
  sysret: ['sysretq'],
  sysexit: ['sysexitq'],
  getsec: ['getsecq'],
  incssp: ['incsspd', 'incsspq'],
  rdssp: ['rdsspd', 'rdsspq'],
  wrss: ['wrssd', 'wrssq'],
  wruss: ['wrussd', 'wrussq'],
  pcmpestri: ['pcmpestri64'],
  pcmpestrm: ['pcmpestrm64'],
  vpcmpestri: ['vpcmpestri64'],
  vpcmpestrm: ['vpcmpestrm64'],
  ret_far: ['retf'],
  xlat: ['xlatb'],
  fwait: ['wait'],
  shl: ['sal'],
};

/**
 * What the reference decodes as newer, older or foreign instructions and a processor up to Sapphire Rapids as something else:
 * the hint opcodes 0F 0D and 0F 18 to 0F 1F are NOPs unless assigned (SDM Vol. 2, Table A-3); VMGEXIT is VMMCALL with a repeat
 * prefix (APM Vol. 3, VMGEXIT: without SEV-ES it behaves as VMMCALL); D9 D8+i is an alias of FSTP.
 */
const ASSIGNED_LATER: Record<string, readonly string[]> = {
  nop: ['reservednop', 'prefetch', 'prefetchit0', 'prefetchit1'],
  vmmcall: ['vmgexit'],
  fstp: ['fstpnce'],
};

const RENAMED = new Map(
  [...Object.entries(GENERIC), ...Object.entries(ASSIGNED_LATER)].flatMap(([ours, theirs]) =>
    theirs.map((name) => [name, ours] as const),
  ),
);

/** Forms that share the reference's mnemonic but not ours. */
const BY_CODE: readonly (readonly [code: RegExp, ours: string])[] = [
  [/^Mov_(?:r(?:32|64)_cr|cr_r)/, 'mov_cr'],
  [/^Mov_(?:r(?:32|64)_dr|dr_r)/, 'mov_dr'],
  [/^Mov_(?:r.*_Sreg|Sreg_)/, 'mov_sreg'],
  [/^Push[wdq]_[ECSDFG]S$/, 'push_sreg'],
  [/^Pop[wdq]_[ECSDFG]S$/, 'pop_sreg'],
  [/^Call_(?:m16|ptr16)/, 'call_far'],
  [/^Jmp_(?:m16|ptr16)/, 'jmp_far'],
  [/^Prefetchreserved3/, 'nop'],
];
const STRING_CODE = /^(Movs|Cmps|Scas|Lods|Stos|Ins|Outs)[bwdq]_(?:m|AL|AX|EAX|RAX|DX)/;

const ourName = (code: Code): string => {
  const form = Code[code];
  const string = STRING_CODE.exec(form);
  if (string !== null) return string[1].toLowerCase();
  const moved = BY_CODE.find(([pattern]) => pattern.test(form));
  if (moved !== undefined) return moved[1];
  const info = CodeExt.opCode(code);
  const name = Mnemonic[info.mnemonic];
  info.free();
  const conditional = Object.keys(CONDITIONAL).find((ours) => CONDITIONAL[ours].test(name));
  return conditional ?? RENAMED.get(name.toLowerCase()) ?? name.toLowerCase();
};

const names = new Map<Code, string>();

/** Our mnemonic for a form of the reference. */
export const ourMnemonic = (code: Code): string => {
  const known = names.get(code) ?? ourName(code);
  names.set(code, known);
  return known;
};

/** Instructions that the reference knows and that no Intel processor up to Sapphire Rapids has (but SVM, which we have). */
const FOREIGN: readonly (readonly [why: string, codes: RegExp])[] = [
  ['AMD 3DNow!', /^(?:D3NOW_|Femms$)/],
  [
    'AMD XOP, FMA4, TBM and LWP',
    /^(?:XOP_|VEX_Vfn?m(?:add|sub)(?:add|sub)?[ps][sd]_([xy]mm)_\1_|VEX_Vpermil2p)/,
  ],
  ['AMD SSE4a', /^(?:Extrq|Insertq|Movnts[sd])_/],
  ['AMD system', /^(?:Clzero|Invlpgb|Mcommit|Monitorx|Mwaitx|Psmash|Pvalidate|Rdpru|Rmp|Tlbsync)/],
  ['VIA and Zhaoxin', /^(?:Via_|Ccs_|Xcrypt|Xsha|Xstore|Montmul)/],
  [
    'FRED, LKGS, MSRLIST, WRMSRNS, USER_MSR, PBNDKB',
    /^(?:Eret[su]|Lkgs|(?:Rd|Wr)msr(?:list|ns)|.*[UW]r?[rd]msr_|Pbndkb)/,
  ],
  ['RAO-INT and CMPCCXADD', /^(?:A(?:add|and|or|xor)_m|VEX_Cmp\w+xadd)/],
  ['AVX-IFMA, AVX-VNNI-INT8 and INT16', /^VEX_Vp(?:madd52|dpb(?:ss|su|uu)|dpw(?:su|us|uu))/],
  ['AVX-NE-CONVERT', /^VEX_V(?:bcstne|cvtne)/],
  ['SHA512, SM3 and SM4', /^VEX_V(?:sha512|sm[34])/],
  ['AMX-FP16 and AMX-COMPLEX', /^VEX_T(?:dpfp16|cmm)/],
];

const foreign = new Map<Code, boolean>();

/** Whether we call undefined what the reference decodes, for a reason in the table above. */
export const isForeign = (code: Code): boolean => {
  const known = foreign.get(code) ?? FOREIGN.some(([, codes]) => codes.test(Code[code]));
  foreign.set(code, known);
  return known;
};

/** Forms that the reference decodes only when asked to by an option, or only ever encodes. */
const NEVER_DECODED: readonly (readonly [why: string, codes: RegExp])[] = [
  ['Knights Corner', /^(?:MVEX_|VEX_KNC_)/],
  [
    'Cyrix and Geode',
    /^(?:Altinst|Bb[01]_|Cpu_|Dmint|Smint|Rd(?:m|shr_\w+)$|Wrshr|S(?:vdc|vldt|vts)|Rs(?:dc|ldt|ts)|Cyrix_)/,
  ],
  ['Cyrix x87', /^F(?:richop|rinear|rint2|tstp)/],
  ['Cyrix EMMI', /^P(?:aveb|addsiw|magw|distib|subsiw|mulhrw|mulhriw|machriw|mv[nlg]?e?zb)_mm/],
  ['80186 to 80486', /^(?:Ibts|Xbts|Umov|Loadall|Storeall|F(?:rstpm|st(?:dw|sg)|nst(?:dw|sg))_?)/],
  ['never shipped', /^(?:Jmpe|Pcommit|Cl1invmb|Rdudbg|Wrudbg)/],
  ['WAIT and another instruction in one', /^F(?:clex|eni|disi|init|save|setpm|stcw|stenv|stsw)(?:_|$)/],
  ['data', /^Declare/],
];
export const isNeverDecoded = (code: Code): boolean =>
  NEVER_DECODED.some(([, codes]) => codes.test(Code[code]));
