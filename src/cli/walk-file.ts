import walkSchema from '../../schemas/walk.schema.json';
import { EMPTY_MEMORY, gva, type MemoryRoot } from '../core';
import { CR0, CR4, EFER } from '../cpu/slots';
import { eptpError, type GuestPaging } from '../ept';
import { MEMORY_LIMIT, type PlacedEntry, type WalkCase, wholeEpt, withEntries } from '../walk';
import type { CommandIo } from './io';
import { badJson, type JsonNumber, jsonPath, numberOf, readJson } from './json-input';
import { addressProblem } from './walk-address';

type Numbers = Readonly<Record<string, JsonNumber>>;

/** What schemas/walk.schema.json accepts. */
interface WalkFile {
  readonly title?: string;
  readonly machine?: 'x86' | 'tiny';
  readonly address: JsonNumber;
  readonly access?: 'read' | 'write' | 'fetch';
  readonly user?: boolean;
  readonly physicalAddressWidth?: number;
  readonly guest?: {
    readonly cr3: JsonNumber;
    readonly mode?: keyof typeof MODES;
    readonly cr0?: JsonNumber;
    readonly cr4?: JsonNumber;
    readonly efer?: JsonNumber;
    readonly pdptes?: readonly JsonNumber[];
    readonly pkru?: JsonNumber;
    readonly pkrs?: JsonNumber;
  };
  readonly ept?: { readonly eptp: JsonNumber; readonly modeBasedExecute?: boolean };
  readonly entries: Numbers;
  readonly entries32?: Numbers;
}

const LONG_MODE = BigInt(EFER.lma | EFER.lme | EFER.nxe);

/** CR4 and IA32_EFER that select a paging mode. SDM Vol. 3A, 4.1.1 Four Paging Modes */
const MODES = {
  '4-level': { cr4: BigInt(CR4.pae), efer: LONG_MODE },
  '5-level': { cr4: BigInt(CR4.pae | CR4.la57), efer: LONG_MODE },
  pae: { cr4: BigInt(CR4.pae), efer: BigInt(EFER.nxe) },
  '32-bit': { cr4: BigInt(CR4.pse), efer: 0n },
} as const;

const DEFAULT_WIDTH = 39;
const TINY_LIMITS = { guest: 0x1000n, host: 0x1_0000n } as const;

/** The conversions of one file; complaints name it. */
class Reader {
  constructor(
    private readonly file: string,
    private readonly given: WalkFile,
  ) {}

  private get tiny(): boolean {
    return this.given.machine === 'tiny';
  }

  /** An unsigned number below a limit. */
  private below(
    value: JsonNumber,
    limit: bigint,
    fix: string,
    ...path: readonly (string | number)[]
  ): bigint {
    const number = numberOf(value);
    return number < limit ? number : badJson(this.file, jsonPath(...path), value, 'too large', fix);
  }

  private word(value: JsonNumber, ...path: readonly (string | number)[]): bigint {
    return this.below(value, 2n ** 64n, 'it has 64 bits', ...path);
  }

  private memory(): MemoryRoot {
    const { entries, entries32 = {} } = this.given;
    const seen = new Map<number, string>();
    const placed: PlacedEntry[] = [];
    const put = (all: Numbers, bytes: 2 | 4 | 8, field: string): void => {
      const limit = this.tiny ? TINY_LIMITS.host : BigInt(MEMORY_LIMIT);
      const stride = this.tiny ? 1 : bytes;
      for (const [name, value] of Object.entries(all)) {
        const path = [field, name];
        const at = Number(this.below(name, limit, `addresses end below 0x${limit.toString(16)}`, ...path));
        if (at % stride !== 0)
          badJson(
            this.file,
            jsonPath(...path),
            value,
            `not a multiple of ${stride}`,
            'entries do not overlap',
          );
        for (let byte = at; byte < at + stride; byte += this.tiny ? 1 : 4) {
          const other = seen.get(byte);
          if (other !== undefined)
            badJson(this.file, jsonPath(...path), value, `${other} is there already`, 'give each entry once');
          seen.set(byte, jsonPath(...path));
        }
        const number = this.below(value, 2n ** BigInt(8 * bytes), `an entry has ${8 * bytes} bits`, ...path);
        placed.push({ at, value: number, bytes });
      }
    };
    put(entries, this.tiny ? 2 : 8, 'entries');
    if (this.tiny && this.given.entries32 !== undefined)
      badJson(this.file, jsonPath('entries32'), entries32, '"tiny" has no such entries', 'leave it out');
    put(entries32, 4, 'entries32');
    return withEntries(EMPTY_MEMORY, this.tiny ? 'tiny' : 'x86', placed);
  }

  private eptp(width: number): bigint | undefined {
    const { ept } = this.given;
    if (ept === undefined) return undefined;
    const limit = this.tiny ? TINY_LIMITS.host : 2n ** 64n;
    const eptp = this.below(ept.eptp, limit, 'it is the address of a table', 'ept', 'eptp');
    const error = this.tiny ? undefined : eptpError(eptp, wholeEpt(width));
    return error === undefined
      ? eptp
      : badJson(
          this.file,
          jsonPath('ept', 'eptp'),
          ept.eptp,
          `VM entry refuses it (${error})`,
          'give root | 0x1e for 4 levels, root | 0x26 for 5, write-back',
        );
  }

  /** Registers of the guest; none while paging is off. */
  private guest(width: number) {
    const { guest, user = false } = this.given;
    if (guest === undefined) return { rights: { user } };
    const { mode = '4-level', pdptes } = guest;
    const register = (name: 'cr0' | 'cr4' | 'efer' | 'pkru' | 'pkrs', otherwise: bigint): bigint => {
      const value = guest[name];
      return value === undefined ? otherwise : this.word(value, 'guest', name);
    };
    const cr0 = register('cr0', BigInt(CR0.wp));
    const cr4 = register('cr4', MODES[mode].cr4);
    const efer = register('efer', MODES[mode].efer);
    const isPae = (cr4 & BigInt(CR4.pae)) !== 0n && (efer & BigInt(EFER.lma)) === 0n;
    if (isPae && pdptes === undefined && !this.tiny)
      badJson(
        this.file,
        jsonPath('guest'),
        guest,
        '"pdptes" is missing',
        'give the four PDPTE registers of PAE paging',
      );
    const limit = this.tiny ? TINY_LIMITS.guest : 2n ** BigInt(width);
    const paging: GuestPaging = {
      cr4,
      efer,
      pdptes: (pdptes ?? [0, 0, 0, 0]).map((value, index) => this.word(value, 'guest', 'pdptes', index)),
      pkru: register('pkru', 0n),
      pkrs: register('pkrs', 0n),
      features: { physicalAddressWidth: width, gigabytePages: true, pse36: true, pat: true },
    };
    return {
      cr3: this.below(
        guest.cr3,
        limit,
        'it is the address of a table, below the physical address width',
        'guest',
        'cr3',
      ),
      rights: {
        user,
        writeProtect: (cr0 & BigInt(CR0.wp)) !== 0n,
        smep: (cr4 & BigInt(CR4.smep)) !== 0n,
        smap: (cr4 & BigInt(CR4.smap)) !== 0n,
      },
      paging,
    };
  }

  walkCase(): WalkCase {
    const {
      title = this.file,
      machine = 'x86',
      access = 'read',
      ept,
      physicalAddressWidth = DEFAULT_WIDTH,
    } = this.given;
    const width = machine === 'tiny' ? 16 : physicalAddressWidth;
    const guest = this.guest(width);
    const eptp = this.eptp(width);
    const address = this.word(this.given.address, 'address');
    const paging = 'paging' in guest ? guest.paging : undefined;
    const problem = addressProblem(address, machine === 'tiny' ? 'tiny' : paging);
    if (problem !== undefined) badJson(this.file, jsonPath('address'), this.given.address, ...problem);
    return {
      title,
      machine,
      request: {
        memory: this.memory(),
        address: gva(address),
        access,
        ...guest,
        ...(eptp === undefined ? {} : { eptp, ept: wholeEpt(width) }),
        modeBasedExecute: ept?.modeBasedExecute === true,
        physicalAddressWidth: width,
      },
    };
  }
}

/** The walk in a JSON file, checked against its schema. */
export const readWalkFile = (io: CommandIo, path: string): WalkCase =>
  new Reader(path, readJson<WalkFile>(io, path, 'walk', walkSchema)).walkCase();
