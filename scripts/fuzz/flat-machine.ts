import type { VmcsData, VmxState } from '../../src/api/vmx';

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

/** VMX root operation with this VMCS active and current, clear, in its region. */
export const rootOperation = (
  { vmxon, vmcs: address }: { readonly vmxon: number; readonly vmcs: number },
  { words: fields }: Pick<VmcsData, 'words'>,
): VmxState => ({
  vmxonPointer: vmxon,
  currentVmcs: address,
  nonRoot: false,
  timerDeadline: Number.POSITIVE_INFINITY,
  virtualNmiBlocking: false,
  monitorTrap: 'none',
  pauseLoop: undefined,
  abortIndicator: 0,
  active: [{ address, launched: false, shadow: false, vmxoffSinceLaunch: false, words: Array.from(fields) }],
});
