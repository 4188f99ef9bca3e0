/** General-purpose registers in encoding order. SDM Vol. 1, 3.4.1.1 General-Purpose Registers in 64-Bit Mode */
export const GENERAL_REGISTERS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const;

/** Parts of `ProcessorState`: names of slots. */
export const CONTROL_REGISTERS = ['cr0', 'cr2', 'cr3', 'cr4', 'xcr0', 'efer', 'pkru'] as const;
export const DEBUG_REGISTERS = ['dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'] as const;
export const MODEL_SPECIFIC_REGISTERS = [
  'star',
  'lstar',
  'cstar',
  'fmask',
  'kernelGsBase',
  'sysenterCs',
  'sysenterEsp',
  'sysenterEip',
  'tscAux',
  'tscOffset',
  'pat',
  'debugctl',
  'apicBase',
  'featureControl',
  'miscEnable',
  'pkrs',
  'perfGlobalCtrl',
  'sCet',
  'ssp',
  'interruptSspTable',
] as const;
/** What PAE paging walks from instead of CR3. SDM Vol. 3A, 4.4.1 PDPTE Registers */
export const PDPTE_REGISTERS = ['pdpte0', 'pdpte1', 'pdpte2', 'pdpte3'] as const;

/**
 * The draft of a processor is one buffer of 64-bit slots, seen as BigUint64Array (`R[slot]`) and as Int32Array (`W[2 * slot]` is the low half).
 * Fast code holds slot numbers as constants; everything else uses the accessors of `ProcessorDraft`.
 */
const SLOT_NAMES = [
  // 0-15
  ...GENERAL_REGISTERS,
  // 16: RIP; 17: RFLAGS without the six status flags
  'rip',
  'rflags',
  // 18-21: operands, result and kind of the operation that last set the status flags
  'flagA',
  'flagB',
  'flagResult',
  'flagKind',
  // 22: where the instruction in execution continues; 23: 64-bit result of a slow memory access
  'nextRip',
  'value',
  // 24-29: segment bases in encoding order
  'esBase',
  'csBase',
  'ssBase',
  'dsBase',
  'fsBase',
  'gsBase',
  // 30: always zero; 31: engine (low half: context tag of the fast arrays, high half: epoch)
  'zero',
  'engine',
  // low half: selector; high half: access rights in the format of the VMCS (bit 16: unusable)
  'es',
  'cs',
  'ss',
  'ds',
  'fs',
  'gs',
  'ldtr',
  'tr',
  // low half: limit in bytes
  'esLimit',
  'csLimit',
  'ssLimit',
  'dsLimit',
  'fsLimit',
  'gsLimit',
  'ldtrLimit',
  'trLimit',
  'ldtrBase',
  'trBase',
  'gdtrBase',
  'idtrBase',
  'gdtrLimit',
  'idtrLimit',
  ...CONTROL_REGISTERS,
  ...DEBUG_REGISTERS,
  ...MODEL_SPECIFIC_REGISTERS,
  ...PDPTE_REGISTERS,
] as const;

export type SlotName = (typeof SLOT_NAMES)[number];

export const SLOT = Object.fromEntries(SLOT_NAMES.map((name, index) => [name, index])) as Readonly<
  Record<SlotName, number>
>;
export const SLOT_COUNT = 112;
/** From here on: scratch slots of the engine. */
export const FIRST_SCRATCH_SLOT = SLOT_NAMES.length;

/** RFLAGS bits. SDM Vol. 1, 3.4.3 EFLAGS Register */
export const FLAG = {
  cf: 1 << 0,
  pf: 1 << 2,
  af: 1 << 4,
  zf: 1 << 6,
  sf: 1 << 7,
  tf: 1 << 8,
  if: 1 << 9,
  df: 1 << 10,
  of: 1 << 11,
  iopl: 3 << 12,
  nt: 1 << 14,
  rf: 1 << 16,
  vm: 1 << 17,
  ac: 1 << 18,
  vif: 1 << 19,
  vip: 1 << 20,
  id: 1 << 21,
} as const;
/** CF, PF, AF, ZF, SF and OF. */
export const STATUS_FLAGS = FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.of;

/** CR0 bits (int32). SDM Vol. 3A, 2.5 Control Registers */
export const CR0 = {
  pe: 1 << 0,
  mp: 1 << 1,
  em: 1 << 2,
  ts: 1 << 3,
  et: 1 << 4,
  ne: 1 << 5,
  wp: 1 << 16,
  am: 1 << 18,
  nw: 1 << 29,
  cd: 1 << 30,
  pg: 1 << 31,
} as const;
/** CR4 bits. SDM Vol. 3A, 2.5 Control Registers */
export const CR4 = {
  vme: 1 << 0,
  pvi: 1 << 1,
  tsd: 1 << 2,
  de: 1 << 3,
  pse: 1 << 4,
  pae: 1 << 5,
  mce: 1 << 6,
  pge: 1 << 7,
  pce: 1 << 8,
  osfxsr: 1 << 9,
  osxmmexcpt: 1 << 10,
  umip: 1 << 11,
  la57: 1 << 12,
  vmxe: 1 << 13,
  smxe: 1 << 14,
  fsgsbase: 1 << 16,
  pcide: 1 << 17,
  osxsave: 1 << 18,
  smep: 1 << 20,
  smap: 1 << 21,
  pke: 1 << 22,
  cet: 1 << 23,
  pks: 1 << 24,
} as const;
/** IA32_EFER bits. SDM Vol. 3A, 2.2.1 Extended Feature Enable Register */
export const EFER = { sce: 1 << 0, lme: 1 << 8, lma: 1 << 10, nxe: 1 << 11 } as const;

/** Access rights in the format of the VMCS. SDM Vol. 3C, 25.4.1 Guest Register State */
export const ACCESS_RIGHTS = {
  type: 0xf,
  s: 1 << 4,
  dplShift: 5,
  present: 1 << 7,
  avl: 1 << 12,
  l: 1 << 13,
  db: 1 << 14,
  g: 1 << 15,
  unusable: 1 << 16,
} as const;
