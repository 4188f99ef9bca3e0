import {
  access,
  EMPTY_CACHES,
  type Invalidation,
  invalidate,
  permittedTranslations,
  speculate,
  type Translation,
  type TranslationCaches,
} from '../../src/api/caches';
import { gva, PAGE_BYTES } from '../../src/core';
import {
  ACCESSED,
  type AccessKind,
  CR0,
  CR4,
  CR4_BITS,
  EFER,
  EFER_NXE,
  EPT_ACCESSED,
  EPT_DIRTY,
  frameName,
  LOG_ENTRY,
  Scene,
  type SceneContext,
  type SceneWorld,
} from './scene';
import { BASE_MEMORY, EPT_TABLES, FIRST_TABLE } from './scene-memory';

/** What one answer shows. */
export const shown = ({ outcome }: Translation): string => {
  if (outcome.ok) return frameName(Math.floor(outcome.value / PAGE_BYTES));
  const { kind } = outcome.fault;
  return kind === 'page-fault' ? '#PF' : kind.replace('ept-', '');
};

interface ValueWorld extends SceneWorld {
  readonly processors: ValueScene[];
  /** Which of so many permitted answers an access gives; what a processor that keeps all answers when left out. */
  readonly pick?: (answers: number) => number;
}

const BIT63 = 1n << 63n;
const ACCESSED_FLAGS = Number(ACCESSED | EPT_ACCESSED);

/** A scene on the pure functions, under `keep-all`. */
export class ValueScene extends Scene {
  caches: TranslationCaches = EMPTY_CACHES;
  declare protected readonly world: ValueWorld;

  constructor(
    now: SceneContext = { cr3: 0n },
    world: ValueWorld = {
      memory: BASE_MEMORY,
      nextTable: FIRST_TABLE,
      nextEpt: EPT_TABLES.first,
      processors: [],
    },
  ) {
    super(now, world);
    world.processors.push(this);
  }

  get other(): ValueScene {
    const { world } = this;
    return world.processors.find((one) => one !== this) ?? new ValueScene(this.now, world);
  }

  private translated(linear: bigint, kind: AccessKind): Translation {
    const { world } = this;
    const request = { ...this.now, address: gva(linear), access: kind };
    if (world.pick === undefined) {
      const result = access(this.caches, world.memory, request);
      this.caches = result.caches;
      world.memory = result.memory;
      this.log(result.translation);
      return result.translation;
    }
    const answers = permittedTranslations(this.caches, world.memory, request);
    const answer = answers[world.pick(answers.length)];
    this.setFlags(answer);
    this.log(answer);
    this.fill(linear);
    this.fault(answer, linear);
    return answer;
  }
  private setFlags({ updates }: Translation, which = ~0): void {
    for (const { address, bits } of updates) {
      const at = Math.floor(address / 8) * 8;
      this.put(at, this.entry(at) | (BigInt(bits & which) << BigInt(8 * (address % 8))));
    }
  }
  private log({ updates }: Translation): void {
    const isLogged = updates.some(({ table, bits }) => table === 'ept' && (BigInt(bits) & EPT_DIRTY) !== 0n);
    if (this.now.pml === true && isLogged) this.put(LOG_ENTRY, 1n);
  }
  read = (linear: bigint): string => shown(this.translated(linear, 'read'));
  write = (linear: bigint): string => shown(this.translated(linear, 'write'));
  fetch = (linear: bigint): string => shown(this.translated(linear, 'fetch'));
  readAcross(linear: bigint): string {
    return `${this.read(linear)} ${this.read(linear + BigInt(PAGE_BYTES))}`;
  }
  override typeBits(linear: bigint): string {
    return `${this.translated(linear, 'read').memoryType}`;
  }

  private fault({ outcome }: Translation, linear: bigint): void {
    if (outcome.ok || outcome.fault.kind === 'ept-misconfiguration') return;
    const { fault } = outcome;
    const address = gva(linear);
    if (fault.kind === 'page-fault') this.invalidate({ kind: 'page-fault', address, ...this.tags });
    else {
      const { gpa } = fault;
      const at = fault.pagingStructure ? {} : { address };
      this.invalidate({ kind: 'ept-violation', eptp: this.now.eptp!, gpa, ...at, ...this.tags });
    }
  }

  /** Every result that a use may have, whatever a processor keeps of what it may remember. */
  results(use: (scene: Scene) => string): readonly string[] {
    const found = new Set<string>();
    const script: number[] = [];
    do {
      const widths: number[] = [];
      const pick = (width: number): number => {
        const at = widths.push(width) - 1;
        if (at === script.length) script.push(0);
        return script[at];
      };
      found.add(use(this.copy(pick)));
      while (script.length > 0 && script[script.length - 1] === widths[script.length - 1] - 1) script.pop();
      if (script.length > 0) script[script.length - 1]++;
    } while (script.length > 0);
    return [...found];
  }

  private copy(pick: (answers: number) => number): ValueScene {
    const { processors, ...shared } = this.world;
    const world: ValueWorld = { ...shared, processors: [], pick };
    for (const one of processors) {
      const copy = new ValueScene(one.now, world);
      copy.caches = one.caches;
      copy.host = one.host;
    }
    return world.processors[processors.indexOf(this)];
  }

  /** Every answer that a processor may give, without making the access. */
  may(linear: bigint, kind: AccessKind = 'read'): readonly Translation[] {
    return permittedTranslations(this.caches, this.memory, {
      ...this.now,
      address: gva(linear),
      access: kind,
    });
  }
  /** The names of those answers, in order. */
  answers(linear: bigint, kind: AccessKind = 'read'): readonly string[] {
    return [...new Set(this.may(linear, kind).map(shown))].sort();
  }

  /** No processor remembers anything, as it may happen at any time. */
  forget(): this {
    for (const one of this.world.processors) one.caches = EMPTY_CACHES;
    return this;
  }
  private fill(linear: bigint): void {
    this.caches = speculate(this.caches, this.memory, { ...this.now, address: gva(linear) });
  }
  speculate(linear: bigint): this {
    const { pick } = this.world;
    // Such a walk may also set accessed flags.
    if (pick?.(2) === 1) this.setFlags(this.may(linear).at(-1)!, ACCESSED_FLAGS);
    this.fill(linear);
    return this;
  }
  store(at: number, value: bigint): this {
    this.put(at, value);
    return this;
  }
  invalidate(by: Invalidation): this {
    this.caches = invalidate(this.caches, by);
    return this;
  }

  private get tags(): { readonly vpid: number; readonly pcid: number } {
    return { vpid: this.now.vpid ?? 0, pcid: this.pcidOf(this.now.cr3) };
  }
  private pcidOf(cr3: bigint, cr4 = this.now.cr4 ?? CR4): number {
    return (cr4 & CR4_BITS.pcide) === 0n ? 0 : Number(cr3 & 0xfffn);
  }
  invlpg(linear: bigint): this {
    return this.invalidate({ kind: 'invlpg', address: gva(linear), ...this.tags });
  }
  invpcid(type: 0 | 1 | 2 | 3, { pcid = 0, address = 0n }: { pcid?: number; address?: bigint } = {}): this {
    const { vpid } = this.tags;
    return this.invalidate({ kind: 'invpcid', type, address: gva(address), vpid, pcid } as Invalidation);
  }
  invept(type: 1 | 2, eptp = this.now.eptp): this {
    return this.invalidate({ kind: 'invept', type, eptp } as Invalidation);
  }
  invvpid(
    type: 0 | 1 | 2 | 3,
    { vpid = this.now.vpid ?? 0, address = 0n }: { vpid?: number; address?: bigint } = {},
  ): this {
    return this.invalidate({ kind: 'invvpid', type, vpid, address: gva(address) } as Invalidation);
  }
  vmx(...instructions: readonly ('vmxoff' | 'vmxon' | 'vmclear' | 'vmptrld')[]): this {
    for (const kind of instructions) this.invalidate({ kind });
    return this;
  }
  returnFromSmm(): this {
    return this.invalidate({ kind: 'smm-return' });
  }
  wrmsr(index: number): this {
    const isMtrr = index >= 0x200 && index < 0x270;
    return isMtrr ? this.invalidate({ kind: 'wrmsr-mtrr', vpid: this.tags.vpid }) : this;
  }
  reset(): this {
    return this.invalidate({ kind: 'reset' });
  }
  failing(): this {
    return this;
  }
  protected writeCr0(after: bigint): void {
    this.invalidate({ kind: 'mov-cr0', before: this.now.cr0 ?? CR0, after, ...this.tags });
  }
  protected writeCr3(value: bigint): void {
    const keeps = (value & BIT63) !== 0n;
    this.invalidate({ kind: 'mov-cr3', ...this.tags, pcid: this.pcidOf(value), keeps });
  }
  protected writeCr4(after: bigint): void {
    const pcid = this.pcidOf(this.now.cr3, after);
    this.invalidate({ kind: 'mov-cr4', before: this.now.cr4 ?? CR4, after, ...this.tags, pcid });
  }
  protected writeEfer(after: bigint): void {
    this.invalidate({ kind: 'wrmsr-efer', before: this.now.efer ?? EFER, after, ...this.tags });
  }
  protected switchTask(cr3: bigint): void {
    this.invalidate({ kind: 'task-switch', changesCr3: cr3 !== this.now.cr3, vpid: this.tags.vpid });
  }
  protected vmEntry({ vpid = 0 }: SceneContext): void {
    this.invalidate({ kind: 'vm-entry', enableVpid: vpid !== 0 });
  }
  protected vmEntryLoadingEfer(guest: SceneContext): void {
    this.vmEntry(guest);
    if (((this.now.efer ?? EFER) ^ (guest.efer ?? EFER)) & EFER_NXE)
      this.invalidate({ kind: 'msr-load-flush' });
  }
  protected vmExit(): void {
    this.invalidate({ kind: 'vm-exit', enableVpid: (this.now.vpid ?? 0) !== 0 });
  }
  protected switchEptp(): void {
    this.invalidate({ kind: 'eptp-switching', enableVpid: (this.now.vpid ?? 0) !== 0 });
  }
}
