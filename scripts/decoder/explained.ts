import type { CodeSize } from '../../src/cpu/decode';
import type { Aspect, Difference } from './difference';

/** A difference that stands: what it is exactly, why, and bytes that show it. */
export interface Explained {
  readonly id: string;
  readonly aspect: Aspect;
  /** Names of the reference's forms. */
  readonly forms: RegExp;
  /** What we say, and what the reference says; any text when left out. */
  readonly ours?: RegExp;
  readonly theirs?: RegExp;
  readonly because: string;
  readonly section: string;
  readonly example: readonly [bytes: string, codeSize: CodeSize];
}

/** Instructions that the reference knows and that no Intel processor up to Sapphire Rapids has: undefined opcodes for us. */
const foreign = (
  id: string,
  forms: RegExp,
  because: string,
  section: string,
  bytes: string,
  codeSize: CodeSize = 64,
): Explained => ({
  id,
  aspect: 'instruction',
  forms,
  ours: /^none$/,
  because,
  section,
  example: [bytes, codeSize],
});

const OPCODE_MAPS = 'SDM Vol. 2, Appendix A Opcode Map';

const FOREIGN: readonly Explained[] = [
  foreign('3dnow', /^(?:D3NOW_|Femms$)/, 'AMD alone; removed', 'APM Vol. 3, Appendix A', '0f 0f c1 9e'),
  foreign(
    'xop',
    /^(?:XOP_|VEX_Vfn?m(?:add|sub)(?:add|sub)?[ps][sd]_([xy]mm)_\1_|VEX_Vpermil2p[sd]_)/,
    'AMD alone: XOP, FMA4, TBM and LWP; removed',
    'APM Vol. 6',
    '8f e9 78 01 c8',
  ),
  foreign('sse4a', /^(?:Extrq|Insertq|Movnts[sd])_/, 'AMD alone', 'APM Vol. 4', 'f2 0f 2b 00'),
  foreign(
    'amd-system',
    /^(?:Clzero[wdq]|Invlpgb[wdq]|Mcommit|Monitorx[wdq]|Mwaitx|Psmash|Pvalidate[wdq]|Rdpru|Rmp\w+|Tlbsync)$/,
    'AMD alone, and not of the SVM that we decode',
    'APM Vol. 3, Chapter 4',
    '0f 01 fc',
  ),
  foreign(
    'padlock',
    /^(?:Ccs_|Xcrypt|Xsha|Xstore|Montmul|Via_)/,
    'VIA and Zhaoxin alone: 0F A6 and 0F A7 are undefined',
    'SDM Vol. 2, Table A-3 Two-byte Opcode Map',
    'f3 0f a7 c8',
  ),
  foreign(
    'fred',
    /^(?:Eret[su]|Lkgs_\w+|(?:Rd|Wr)msrlist|Wrmsrns|Pbndkb)$/,
    'later than Sapphire Rapids: FRED, LKGS, MSRLIST, WRMSRNS, PBNDKB',
    OPCODE_MAPS,
    'f2 0f 01 ca',
  ),
  foreign(
    'rao-int',
    /^A(?:add|and|or|xor)_m\d+_r\d+$/,
    'later than Sapphire Rapids',
    OPCODE_MAPS,
    '0f 38 fc 00',
  ),
  foreign('cmpccxadd', /^VEX_Cmp\w+xadd_m/, 'later than Sapphire Rapids', OPCODE_MAPS, 'c4 e2 71 e0 00'),
  foreign(
    'avx-integer',
    /^VEX_Vp(?:madd52|dpb(?:ss|su|uu)|dpw(?:su|us|uu))/,
    'later than Sapphire Rapids: AVX-IFMA, AVX-VNNI-INT8 and INT16',
    OPCODE_MAPS,
    'c4 e2 73 50 c2',
  ),
  foreign(
    'avx-ne-convert',
    /^VEX_V(?:bcstne|cvtne)/,
    'later than Sapphire Rapids',
    OPCODE_MAPS,
    'c4 e2 7a b1 00',
  ),
  foreign(
    'sha512-sm',
    /^VEX_V(?:sha512|sm[34])/,
    'later than Sapphire Rapids: SHA512, SM3 and SM4',
    OPCODE_MAPS,
    'c4 e2 7f cc c1',
  ),
  foreign(
    'amx-later',
    /^VEX_T(?:dpfp16|cmm)/,
    'later than Sapphire Rapids: AMX-FP16 and AMX-COMPLEX',
    OPCODE_MAPS,
    'c4 e2 6b 5c c1',
  ),
];

/** The hint opcodes 0F 0D and 0F 18 to 0F 1F are NOPs unless assigned. */
const HINTS = 'SDM Vol. 2, Table A-3 Two-byte Opcode Map';
const HINT_FORMS = /^Prefetch(?:_m8|it[01]_m8|reserved[3-7]_m8)$/;

const CHOICES: readonly Explained[] = [
  {
    id: 'hint-names',
    aspect: 'mnemonic',
    forms: HINT_FORMS,
    ours: /^nop$/,
    because: 'AMD prefetches (0F 0D) and those of later processors (0F 18 /6 and /7) are NOPs',
    section: HINTS,
    example: ['0f 0d 00', 64],
  },
  {
    id: 'hint-widths',
    aspect: 'memory width',
    forms: HINT_FORMS,
    theirs: /^8$/,
    because: 'a NOP names an operand of the operand size, a prefetch a byte; neither accesses it',
    section: HINTS,
    example: ['0f 0d 00', 64],
  },
  {
    id: 'vmgexit',
    aspect: 'mnemonic',
    forms: /^Vmgexit(?:_F[23])?$/,
    ours: /^vmmcall$/,
    because: 'VMGEXIT is VMMCALL with a repeat prefix, and behaves as VMMCALL without SEV-ES',
    section: 'APM Vol. 3, VMGEXIT',
    example: ['f3 0f 01 d9', 64],
  },
  {
    id: 'fstpnce',
    aspect: 'mnemonic',
    forms: /^Fstpnce_/,
    ours: /^fstp$/,
    because: 'D9 D8+i is left blank in the opcode map; processors execute FSTP',
    section: 'SDM Vol. 2, A.5 Escape Opcode Instructions',
    example: ['d9 d9', 32],
  },
  {
    id: 'waitpkg-w',
    aspect: 'operand',
    forms: /^(?:Tpause|Umwait)_r64$/,
    ours: /^(?:e..|r\d+d)$/,
    theirs: /^r/,
    because: 'the operand is a 32-bit register, REX.W changes nothing',
    section: 'SDM Vol. 2, TPAUSE and UMWAIT',
    example: ['66 48 0f ae f1', 64],
  },
];

/** Every difference that stands. Nothing else differs. */
export const EXPLAINED: readonly Explained[] = [...FOREIGN, ...CHOICES];

/** The row that explains a difference in an instruction where the reference sees the form `form`. */
export const explanation = (difference: Difference, form: string): Explained | undefined =>
  EXPLAINED.find(
    ({ aspect, forms, ours, theirs }) =>
      aspect === difference.aspect &&
      forms.test(form) &&
      (ours?.test(difference.ours) ?? true) &&
      (theirs?.test(difference.theirs) ?? true),
  );
