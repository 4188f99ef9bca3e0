/** Editions that the model is written against; section numbers belong to an edition, titles stay. */
export const MANUALS = {
  sdm: {
    title: 'Intel 64 and IA-32 Architectures Software Developer’s Manual, Combined Volumes',
    number: '325462',
    /** Chapters as numbered since 2023: VMX is chapters 24 to 31 of volume 3C. */
    edition: '2023 and later',
  },
} as const;

interface Section {
  readonly manual: keyof typeof MANUALS;
  readonly volume: string;
  readonly number: string;
}

const vmEntries = <Number extends string>(number: Number) =>
  ({ manual: 'sdm', volume: '3C', number: `27.${number}` }) as const;

/** Sections that rows cite, by title. */
export const SECTIONS = {
  'Basic VM-Entry Checks': vmEntries('1'),
  'VM-Execution Control Fields': vmEntries('2.1.1'),
  'VM-Exit Control Fields': vmEntries('2.1.2'),
  'VM-Entry Control Fields': vmEntries('2.1.3'),
  'Checks on Host Control Registers, MSRs, and SSP': vmEntries('2.2'),
  'Checks on Host Segment and Descriptor-Table Registers': vmEntries('2.3'),
  'Checks Related to Address-Space Size': vmEntries('2.4'),
  'Checks on Guest Control Registers, Debug Registers, and MSRs': vmEntries('3.1.1'),
  'Checks on Guest Segment Registers': vmEntries('3.1.2'),
  'Checks on Guest Descriptor-Table Registers': vmEntries('3.1.3'),
  'Checks on Guest RIP, RFLAGS, and SSP': vmEntries('3.1.4'),
  'Checks on Guest Non-Register State': vmEntries('3.1.5'),
  'Checks on Guest Page-Directory-Pointer-Table Entries': vmEntries('3.1.6'),
  'Loading MSRs': vmEntries('4'),
  'Machine-Check Events During VM Entry': vmEntries('9'),
  'VM Entries That Return from SMM': { manual: 'sdm', volume: '3C', number: '32.15.4' },
  'VM Entries That Return from SMM (checks on the guest state area)': {
    manual: 'sdm',
    volume: '3C',
    number: '32.15.4.4',
  },
} as const satisfies Record<string, Section>;

export type SectionTitle = keyof typeof SECTIONS;

/** A citation such as "SDM Vol. 3C, 27.1 Basic VM-Entry Checks". */
export const cite = (title: SectionTitle): string => {
  const { manual, volume, number }: Section = SECTIONS[title];
  return `${manual.toUpperCase()} Vol. ${volume}, ${number} ${title}`;
};
