import { bitfield } from '../core';

/** Extended-page-table pointer. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP) */
export const EPTP = bitfield({
  memoryType: [2, 0],
  walkLengthMinus1: [5, 3],
  accessedDirtyEnable: 6,
  supervisorShadowStack: 7,
  rootAddress: [51, 12],
});

/** Parts of the low half of an EPTP, in place. SDM Vol. 3C, 25.6.11 Extended-Page-Table Pointer (EPTP) */
export const EPTP_LOW = {
  walkLength: 0x38,
  fiveLevels: 0x20,
  accessedDirty: 0x40,
  supervisorShadowStack: 0x80,
} as const;

/** What the processor offers of EPT. SDM Vol. 3D, A.10 VPID and EPT Capabilities */
export interface EptCapabilities {
  readonly executeOnly: boolean;
  readonly walkLength4: boolean;
  readonly walkLength5: boolean;
  readonly uncacheable: boolean;
  readonly writeBack: boolean;
  readonly page2m: boolean;
  readonly page1g: boolean;
  readonly accessedDirty: boolean;
  readonly supervisorShadowStack: boolean;
  /** Advanced VM-exit information for EPT violations. */
  readonly advancedInformation: boolean;
  /** MAXPHYADDR in bits. */
  readonly physicalAddressWidth: number;
}

/** 4-level EPT, write-back and uncacheable tables, execute-only and large pages; 39-bit addresses. */
export const COMMON_EPT: EptCapabilities = {
  executeOnly: true,
  walkLength4: true,
  walkLength5: false,
  uncacheable: true,
  writeBack: true,
  page2m: true,
  page1g: true,
  accessedDirty: false,
  supervisorShadowStack: false,
  advancedInformation: false,
  physicalAddressWidth: 39,
};

const UNCACHEABLE = 0n;
const WRITE_BACK = 6n;

/** Why VM entry would refuse an EPTP. SDM Vol. 3C, 27.2.1.1 VM-Execution Control Fields */
export type EptpError = 'memory-type' | 'walk-length' | 'accessed-dirty' | 'shadow-stack' | 'reserved';

/** The first thing wrong with an EPTP; `undefined` when VM entry would accept it. */
export const eptpError = (eptp: bigint, capabilities: EptCapabilities): EptpError | undefined => {
  const field = EPTP.decode(eptp);
  const typeOffered =
    (field.memoryType === UNCACHEABLE && capabilities.uncacheable) ||
    (field.memoryType === WRITE_BACK && capabilities.writeBack);
  if (!typeOffered) return 'memory-type';
  const lengthOffered =
    (field.walkLengthMinus1 === 3n && capabilities.walkLength4) ||
    (field.walkLengthMinus1 === 4n && capabilities.walkLength5);
  if (!lengthOffered) return 'walk-length';
  if (field.accessedDirtyEnable === 1n && !capabilities.accessedDirty) return 'accessed-dirty';
  if (field.supervisorShadowStack === 1n && !capabilities.supervisorShadowStack) return 'shadow-stack';
  const beyondWidth = eptp >> BigInt(capabilities.physicalAddressWidth) !== 0n;
  return (eptp & 0xf00n) !== 0n || beyondWidth ? 'reserved' : undefined;
};

/** Byte address of the top table. */
export const eptRoot = (eptp: bigint): number => Number(EPTP.get(eptp, 'rootAddress')) * 4096;

/** The same from the halves of an EPTP. */
export const eptRootOf = (low: number, high: number): number =>
  (high & 0xf_ffff) * 0x1_0000_0000 + ((low & -4096) >>> 0);
