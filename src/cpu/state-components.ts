import type { FeatureName } from './presets/features';

/** What announces features. */
type Announcing = { readonly features: ReadonlySet<string> };

/** A state component of the XSAVE feature set. SDM Vol. 1, 13.1 XSAVE-Supported Features and State-Component Bitmaps */
export interface StateComponent {
  readonly index: number;
  readonly name: string;
  /** The processor has it when it announces this. */
  readonly feature: FeatureName;
  /** IA32_XSS enables it, not XCR0. */
  readonly supervisor?: true;
  /** Bytes in the extended region, and where they are in the standard format; x87 and SSE have the legacy region. */
  readonly size: number;
  readonly offset: number;
}

/** Every component that the model has. */
export const STATE_COMPONENTS: readonly StateComponent[] = [
  { index: 0, name: 'x87', feature: 'fpu', size: 0, offset: 0 },
  { index: 1, name: 'SSE', feature: 'sse', size: 0, offset: 0 },
  { index: 2, name: 'AVX', feature: 'avx', size: 0x100, offset: 0x240 },
  { index: 9, name: 'PKRU', feature: 'pku', size: 8, offset: 0xa80 },
  { index: 11, name: 'CET_U', feature: 'cet-ss', supervisor: true, size: 16, offset: 0 },
  { index: 12, name: 'CET_S', feature: 'cet-ss', supervisor: true, size: 24, offset: 0 },
];

/** The legacy region and the header. SDM Vol. 1, 13.4 XSAVE Area */
export const LEGACY_BYTES = 512;
export const HEADER_BYTES = 64;
export const EXTENDED_AT = LEGACY_BYTES + HEADER_BYTES;

export const bitOfComponent = ({ index }: StateComponent): bigint => 1n << BigInt(index);

/** The components that a processor has. x87 state is always there. SDM Vol. 1, 13.3 Enabling the XSAVE Feature Set and XSAVE-Enabled Features */
export const componentsOf = (cpuid: Announcing): readonly StateComponent[] =>
  STATE_COMPONENTS.filter(({ index, feature }) => index === 0 || cpuid.features.has(feature));

const bitmapOf = (components: readonly StateComponent[]): bigint =>
  components.reduce((all, one) => all | bitOfComponent(one), 0n);

/** The components that XCR0 may enable. SDM Vol. 1, 13.3 Enabling the XSAVE Feature Set and XSAVE-Enabled Features */
export const supportedComponents = (cpuid: Announcing): bigint =>
  bitmapOf(componentsOf(cpuid).filter(({ supervisor }) => supervisor !== true));

/** Those that IA32_XSS may enable. SDM Vol. 1, 13.3 Enabling the XSAVE Feature Set and XSAVE-Enabled Features */
export const supervisorComponents = (cpuid: Announcing): bigint =>
  cpuid.features.has('xsaves')
    ? bitmapOf(componentsOf(cpuid).filter(({ supervisor }) => supervisor === true))
    : 0n;

const has = (bitmap: bigint, component: StateComponent): boolean =>
  (bitmap & bitOfComponent(component)) !== 0n;

/** Bytes of an area in the standard format with these components. SDM Vol. 1, 13.4.3 Extended Region of an XSAVE Area */
export const standardBytes = (bitmap: bigint): number =>
  STATE_COMPONENTS.filter((one) => one.size > 0 && has(bitmap, one)).reduce(
    (end, { offset, size }) => Math.max(end, offset + size),
    EXTENDED_AT,
  );

/** Where each component of a compacted area is; none of the model's is aligned. SDM Vol. 1, 13.4.3 Extended Region of an XSAVE Area */
export const compactedOffsets = (bitmap: bigint): ReadonlyMap<number, number> => {
  let at = EXTENDED_AT;
  return new Map(
    STATE_COMPONENTS.filter((one) => one.size > 0 && has(bitmap, one)).map(({ index, size }) => {
      at += size;
      return [index, at - size] as const;
    }),
  );
};

/** Bytes of a compacted area with these components. */
export const compactedBytes = (bitmap: bigint): number =>
  STATE_COMPONENTS.filter((one) => has(bitmap, one)).reduce((bytes, { size }) => bytes + size, EXTENDED_AT);
