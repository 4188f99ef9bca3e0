import { Code, CodeExt, ConditionCode, DecoderOptions, Mnemonic, type OpCodeInfo } from 'iced-x86';
import type { CodeSize } from '../../src/cpu/decode';
import { OPTIONS } from './reference';

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

const withInfo = <T>(code: Code, of: (info: OpCodeInfo) => T): T => {
  const info = CodeExt.opCode(code);
  const value = of(info);
  info.free();
  return value;
};

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
  nop: ['reservednop'],
};

const RENAMED = new Map(
  Object.entries(GENERIC).flatMap(([ours, theirs]) => theirs.map((name) => [name, ours] as const)),
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
];
const STRING_CODE = /^(Movs|Cmps|Scas|Lods|Stos|Ins|Outs)[bwdq]_(?:m|AL|AX|EAX|RAX|DX)/;

const ourName = (code: Code): string => {
  const form = Code[code];
  const string = STRING_CODE.exec(form);
  if (string !== null) return string[1].toLowerCase();
  const moved = BY_CODE.find(([pattern]) => pattern.test(form));
  if (moved !== undefined) return moved[1];
  const name = withInfo(code, ({ mnemonic }) => Mnemonic[mnemonic]);
  const conditional = Object.keys(CONDITIONAL).find((ours) => CONDITIONAL[ours].test(name));
  return conditional ?? RENAMED.get(name.toLowerCase()) ?? name.toLowerCase();
};

/** What the reference says about one of its forms, in our terms. */
export interface ReferenceForm {
  /** The reference's name of the form. */
  readonly name: string;
  readonly mnemonic: string;
  /** Operand and address size that the form has; 0 when they do not matter. */
  readonly operandWidth: number;
  readonly addressWidth: number;
  /** A string instruction, which repeat prefixes repeat. */
  readonly repeats: boolean;
  /** How many operands at the beginning and at the end are implicit in ours. */
  readonly implicitFirst: number;
  readonly implicitLast: number;
}

const ALL_IMPLICIT = /^(?:movs|cmps|scas|lods|stos|ins|outs|xlat|vmrun|vmload|vmsave|invlpga)$/;
const FIRST_IMPLICIT = /^v?maskmov(?:q|dqu)$/;
/** The reference lists ST(0) of x87 comparisons and exchanges first. */
const ST0_IMPLICIT = /^(?:fu?comp?|fxch)$/;

const makeForm = (code: Code): ReferenceForm => {
  const name = Code[code];
  const mnemonic = ourName(code);
  const { opCount, operandSize, addressSize } = withInfo(code, (info) => ({
    opCount: info.opCount,
    operandSize: info.operandSize,
    addressSize: info.addressSize,
  }));
  const first = ALL_IMPLICIT.test(mnemonic)
    ? opCount
    : FIRST_IMPLICIT.test(mnemonic) || (ST0_IMPLICIT.test(mnemonic) && name.includes('_st0_'))
      ? 1
      : 0;
  // A reserved NOP has a register operand that the manual's NOP has not.
  const last = mnemonic === 'nop' && opCount === 2 ? 1 : 0;
  return {
    name,
    mnemonic,
    operandWidth: operandSize,
    addressWidth: addressSize,
    repeats: STRING_CODE.test(name),
    implicitFirst: first,
    implicitLast: last,
  };
};

const forms = new Map<Code, ReferenceForm>();

/** The form of a code of the reference. */
export const referenceForm = (code: Code): ReferenceForm => {
  const known = forms.get(code);
  if (known !== undefined) return known;
  const made = makeForm(code);
  forms.set(code, made);
  return made;
};

const INSTRUCTIONS: readonly Code[] = Object.keys(Code)
  .map(Number)
  .filter(
    (code) => Number.isInteger(code) && code !== Code.INVALID && withInfo(code, (info) => info.isInstruction),
  );

/** Listed, never decoded: POP CS is the 8086's; MONTMUL has a 32-bit address size alone. */
const NEVER_DECODED = /^(?:Popw_CS|Montmul_(?:16|64))$/;

/** Whether a form is one of a code size, for Intel's rules about prefixes. */
const isIn = (info: OpCodeInfo, codeSize: CodeSize): boolean =>
  ({
    16: info.mode16 && info.intelDecoder16,
    32: info.mode32 && info.intelDecoder32,
    64: info.mode64 && info.intelDecoder64,
  })[codeSize];

/** The forms that the reference decodes in a code size, without its other options. WAIT and an instruction are two to a decoder. */
export const decodedForms = (codeSize: CodeSize): readonly Code[] =>
  INSTRUCTIONS.filter((code) =>
    withInfo(
      code,
      (info) =>
        (info.decoderOption & ~OPTIONS) === DecoderOptions.None &&
        !info.fwait &&
        isIn(info, codeSize) &&
        !NEVER_DECODED.test(Code[code]),
    ),
  );

const options = INSTRUCTIONS.map((code) => withInfo(code, (info) => info.decoderOption)).filter(
  (option) => (option & ~OPTIONS) !== DecoderOptions.None,
);

/** The options of the reference that decode what other processors have, and how many forms each adds. */
export const OPTIONS_OFF: readonly { readonly option: string; readonly forms: number }[] = [
  ...new Set(options),
].map((option) => ({
  option: DecoderOptions[option],
  forms: options.filter((one) => one === option).length,
}));
