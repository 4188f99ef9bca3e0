// SDM Vol. 3C, 29.3.2 EPT Translation Mechanism; 25.6.11 Extended-Page-Table Pointer (EPTP)
import { describe, expect, it } from 'vitest';
import { SLOT } from '../../../src/cpu/slots';
import { EPT_VPID_CAP, FULL_CAPABILITIES } from '../../../src/vmx';
import { EptGuest, PAGE, type Setting, TABLES } from './guest';

/** Nothing is mapped there. */
const HIDDEN = 0x4000_0000;
const PAE: NonNullable<Setting['values']> = {
  vmEntryControls: 0x11fbn,
  guestCsAccessRights: 0xc09bn,
  guestPdpte0: BigInt(TABLES + 0x2000) | 1n,
};
const MOV_CR3_RBX = [0x0f, 0x22, 0xdb];
/** MOV CR3, RBX by the guest. */
const loadCr3 = (guest: EptGuest, value: number) => {
  guest.machine.cpu.R[SLOT.rbx] = BigInt(value);
  return guest.machine.execute(...MOV_CR3_RBX);
};

describe('which addresses are guest-physical', () => {
  it('translate.cr3: loading CR3 translates nothing; the next access does', () => {
    const guest = new EptGuest();
    expect(loadCr3(guest, HIDDEN)).toEqual({ interruption: undefined, exit: undefined });
    expect(guest.access('read')).toMatchObject({ exit: 48, qualification: 0x81n, gpa: BigInt(HIDDEN) });
  });

  it('translate.pae: loading CR3 reads the PDPTEs through EPT; what they name is not translated', () => {
    const guest = new EptGuest({ values: PAE });
    guest.put(PAGE, BigInt(HIDDEN) | 1n);
    expect(loadCr3(guest, PAGE).exit).toBeUndefined();
    expect(guest.access('read')).toMatchObject({ exit: 48, qualification: 0x81n });
    const hidden = new EptGuest({ values: PAE });
    expect(loadCr3(hidden, HIDDEN).exit).toMatchObject({ reason: 'eptViolation', gpa: HIDDEN });
  });

  it('a misconfiguration of the page with PDPTEs leaves CR3 as it was', () => {
    const guest = new EptGuest({ values: PAE });
    guest.setEntry(PAGE, 2);
    expect(loadCr3(guest, PAGE).exit).toMatchObject({ reason: 'eptMisconfiguration', gpa: PAGE });
    expect(guest.field('guestCr3')).toBe(BigInt(TABLES));
  });

  it('translate.no-paging: with CR0.PG = 0 the linear address is', () => {
    const guest = new EptGuest({
      controls: ['unrestrictedGuest'],
      values: { guestCr0: 0x31n, vmEntryControls: 0x11fbn, guestCsAccessRights: 0xc09bn },
    });
    expect(guest.access('read', HIDDEN + 5)).toMatchObject({
      exit: 48,
      gpa: BigInt(HIDDEN + 5),
      linear: BigInt(HIDDEN + 5),
    });
  });

  it('translate.entry-address: table plus 8 times the index of 9 bits', () => {
    const guest = new EptGuest();
    const entry = guest.tables.root + 0x3000 + 8 * (PAGE / 4096);
    expect(guest.get(entry) & ~0xfffn).toBe(BigInt(PAGE));
    guest.put(entry, 0n);
    expect(guest.access('read')).toMatchObject({ exit: 48, gpa: BigInt(PAGE) });
  });
});

describe('25.6.11: what VM entry accepts', () => {
  const enters = (eptp: (root: bigint) => bigint, lacks?: 'memtypeUc' | 'memtypeWb' | 'accessedDirty') => {
    const capabilities =
      lacks === undefined
        ? FULL_CAPABILITIES
        : {
            ...FULL_CAPABILITIES,
            ia32VmxEptVpidCap: EPT_VPID_CAP.set(FULL_CAPABILITIES.ia32VmxEptVpidCap!, lacks, 0n),
          };
    try {
      const { root } = new EptGuest().tables;
      return new EptGuest({ capabilities, values: { eptPointer: eptp(BigInt(root)) } }).machine.cpu.nonRoot;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const REFUSED = 'VMLAUNCH: valid 7';
  it.each([
    ['eptp.memoryType: WB', (root: bigint) => root | 0x1en, undefined, true],
    ['eptp.memoryType: UC', (root: bigint) => root | 0x18n, undefined, true],
    ['eptp.memoryType: WC', (root: bigint) => root | 0x19n, undefined, REFUSED],
    ['WB that the processor lacks', (root: bigint) => root | 0x1en, 'memtypeWb', REFUSED],
    ['UC that the processor lacks', (root: bigint) => root | 0x18n, 'memtypeUc', REFUSED],
    ['eptp.walkLengthMinus1: 2', (root: bigint) => root | 0x16n, undefined, REFUSED],
    ['eptp.walkLengthMinus1: 5', (root: bigint) => root | 0x2en, undefined, REFUSED],
    ['eptp.accessedDirtyEnable', (root: bigint) => root | 0x5en, undefined, true],
    ['flags that the processor lacks', (root: bigint) => root | 0x5en, 'accessedDirty', REFUSED],
    ['eptp.reserved: bit 8', (root: bigint) => root | 0x11en, undefined, REFUSED],
    ['eptp.reserved: bit 11', (root: bigint) => root | 0x81en, undefined, REFUSED],
    [
      'eptp.rootAddress: the first bit beyond',
      (root: bigint) => root | 0x1en | (1n << 39n),
      undefined,
      REFUSED,
    ],
    ['eptp.reserved.63-N', (root: bigint) => root | 0x1en | (1n << 63n), undefined, REFUSED],
    [
      'eptp.supervisorShadowStack is not built',
      (root: bigint) => root | 0x9en,
      undefined,
      expect.stringContaining('supervisor shadow-stack'),
    ],
  ] as const)('%s', (_, eptp, lacks, expected) => {
    expect(enters(eptp, lacks)).toEqual(expected);
  });
});
