/** Segment access rights in the format of the VMCS; type bits by what they mean for data, for code and for a TSS. SDM Vol. 3C, 25.4.1 Guest Register State */
export const RIGHTS = {
  accessed: 1n << 0n,
  writable: 1n << 1n,
  readable: 1n << 1n,
  busy: 1n << 1n,
  expandDown: 1n << 2n,
  conforming: 1n << 2n,
  code: 1n << 3n,
  ordinary: 1n << 4n,
  present: 1n << 7n,
  long: 1n << 13n,
  big: 1n << 14n,
  granular: 1n << 15n,
  unusable: 1n << 16n,
} as const;
