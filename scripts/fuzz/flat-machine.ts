/** Little-endian 64-bit words. */
export const words = (...values: readonly bigint[]): Uint8Array =>
  new Uint8Array(BigUint64Array.from(values).buffer);

/** A segment of 4 GiB at 0; `accessRights` in the format of the VMCS. */
export const flatSegment = (selector: number, accessRights: number) => ({
  selector,
  base: 0n,
  limit: 0xffff_ffff,
  accessRights,
});

/** The five data-segment registers, all with one content. */
export const dataSegments = <S>(data: S) => ({ es: data, ss: data, ds: data, fs: data, gs: data });
