import { type Gva, type MemoryRoot, ModelError } from '../../core';
import { currentPcid, type TableMemory, type TranslationCaches, type WaySetup } from '../../cpu/caching';
import type { PagingRights } from '../../cpu/page-fault';
import type { PagingFeatures } from '../../cpu/paging-format';
import { CR0, CR4, EFER } from '../../cpu/slots';
import { COMMON_EPT, EPTP, type EptCapabilities, eptpError, eptRoot } from '../eptp';
import { pagingModeOf, pagingRegisters } from '../guest-paging';
import { eptPagingOf } from '../paging-format';
import { EptStage } from './guest-physical';

/** What selects a translation: the registers of one logical processor. */
export interface TranslationContext {
  /** CR0: of it PG and WP count. Default: both are 1. */
  readonly cr0?: bigint;
  readonly cr3: bigint;
  /** CR4; default PAE and PGE. */
  readonly cr4?: bigint;
  /** IA32_EFER; default LMA and NXE: 4-level paging. */
  readonly efer?: bigint;
  /** PDPTE0 to PDPTE3, for PAE paging. */
  readonly pdptes?: readonly bigint[];
  readonly pkru?: bigint;
  readonly pkrs?: bigint;
  /** CPL is 3; default supervisor mode. */
  readonly user?: boolean;
  /** RFLAGS.AC. */
  readonly ac?: boolean;
  /** The current VPID, 0000H when left out. SDM Vol. 3C, 29.4.1 Information That May Be Cached */
  readonly vpid?: number;
  /** EPT is on, with this EPTP. */
  readonly eptp?: bigint | undefined;
  readonly ept?: EptCapabilities;
  /** Mode-based execute control for EPT. */
  readonly modeBased?: boolean;
  readonly features?: Partial<PagingFeatures>;
}

/** One access to a linear address. */
export interface TranslationRequest extends TranslationContext {
  readonly address: Gva;
  /** Default a read. */
  readonly access?: 'read' | 'write' | 'fetch';
}

const DEFAULT_CR0 = BigInt((CR0.pe | CR0.pg | CR0.wp) >>> 0);
const DEFAULT_CR4 = BigInt(CR4.pae | CR4.pge);
const DEFAULT_EFER = BigInt(EFER.lma | EFER.lme | EFER.nxe);
const DEFAULT_FEATURES: PagingFeatures = {
  physicalAddressWidth: 39,
  gigabytePages: true,
  pse36: true,
  pat: true,
};
const ALL_EPT: EptCapabilities = { ...COMMON_EPT, walkLength5: true, accessedDirty: true };

/** Table entries from memory. */
class RootMemory implements TableMemory {
  low = 0;
  high = 0;
  constructor(private readonly memory: Pick<MemoryRoot, 'page'>) {}

  read(address: number, bytes: 4 | 8): void {
    const { words } = this.memory.page(Math.floor(address / 4096));
    this.low = words[(address & 4095) >> 2];
    this.high = bytes === 8 ? words[((address & 4095) >> 2) + 1] : 0;
  }
}

const stageOf = ({ eptp, ept, modeBased = false }: TranslationContext, physicalAddressWidth: number) => {
  if (eptp === undefined) return undefined;
  const capabilities = ept ?? { ...ALL_EPT, physicalAddressWidth };
  const error = eptpError(eptp, capabilities);
  if (error !== undefined) throw new ModelError(`EPTP that VM entry refuses: ${error}`);
  return new EptStage({
    format: eptPagingOf(capabilities, eptp, modeBased),
    root: eptRoot(eptp),
    accessedDirty: EPTP.get(eptp, 'accessedDirtyEnable') === 1n,
    modeBased,
  });
};

/** A request as the walk wants it. */
export const setupOf = (
  caches: TranslationCaches,
  memory: Pick<MemoryRoot, 'page'>,
  request: TranslationRequest,
): WaySetup => {
  const { cr0 = DEFAULT_CR0, cr3, cr4 = DEFAULT_CR4, efer = DEFAULT_EFER, access = 'read' } = request;
  const { pdptes = [], pkru = 0n, pkrs = 0n, user = false, ac = false, vpid = 0 } = request;
  const features = { ...DEFAULT_FEATURES, ...request.features };
  const paging = { cr4, efer, pdptes, pkru, pkrs, features };
  const W = pagingRegisters({ cr3, noExecute: false, paging });
  const mode = pagingModeOf(W, paging, features.physicalAddressWidth);
  const has = (register: bigint, bit: number): boolean => (register & BigInt(bit >>> 0)) !== 0n;
  const by: PagingRights = {
    user,
    writeProtect: has(cr0, CR0.wp),
    smep: has(cr4, CR4.smep),
    smap: has(cr4, CR4.smap) && !ac,
    noExecute: mode.noExecute,
  };
  return {
    caches,
    memory: new RootMemory(memory),
    mode: has(cr0, CR0.pg) ? mode : undefined,
    W,
    vpid,
    pcid: currentPcid(W),
    by,
    access: { write: access === 'write', fetch: access === 'fetch' },
    stage: stageOf(request, features.physicalAddressWidth),
  };
};
