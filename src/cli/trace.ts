import { gva, hex, join } from '../core';
import type { StaleTranslation } from '../cpu/caching';
import { disassemble } from '../cpu/decode';
import type { InterruptionEvent } from '../cpu/event';
import { pagingFeatures } from '../cpu/paging-mode';
import type { ProcessorDraft, ProcessorWatcher } from '../cpu/processor-draft';
import { CR0, CR4, FLAG, PDPTE_REGISTERS, SLOT } from '../cpu/slots';
import type { UndefinedUse } from '../cpu/undefined-use';
import { walk } from '../ept';
import { describeStale, describeUndefinedUse } from '../machine';
import type { RunningMachine } from '../machine/running-machine';
import type { RunningProcessor } from '../machine/running-processor';
import type { DeviceEffect } from '../platform';
import { extendedPaging } from './where';

/** What a trace may hold, one JSON object a line. */
export const TRACE_KINDS = ['exits', 'instructions', 'walks', 'events'] as const;
export type TraceKind = (typeof TRACE_KINDS)[number];

type Write = (line: string) => void;

const readable = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? hex(value) : value instanceof Uint8Array ? [...value] : value;

const has = (low: number, bit: number): boolean => (low & bit) !== 0;

/** How a linear address is translated at present. */
const walkOf = (
  machine: RunningMachine,
  { cpu, memory, virtualized }: RunningProcessor,
  address: bigint,
  access: 'read' | 'write' | 'fetch',
  implicit: boolean,
) => {
  const { W, R } = cpu;
  const cr4 = W[2 * SLOT.cr4];
  return walk({
    memory: memory.memory,
    address: gva(address),
    access,
    ...(cpu.paging ? { cr3: R[SLOT.cr3] } : {}),
    ...(cpu.nonRoot ? extendedPaging(virtualized?.publish(), machine.config.processor) : {}),
    rights: {
      user: !implicit && cpu.cpl === 3,
      writeProtect: has(W[2 * SLOT.cr0], CR0.wp),
      smep: has(cr4, CR4.smep),
      smap: has(cr4, CR4.smap) && (implicit || !cpu.flag(FLAG.ac)),
    },
    paging: {
      cr4: R[SLOT.cr4],
      efer: R[SLOT.efer],
      pdptes: PDPTE_REGISTERS.map((name) => R[SLOT[name]]),
      pkru: R[SLOT.pkru],
      pkrs: R[SLOT.pkrs],
      features: pagingFeatures(machine.config.processor),
    },
    physicalAddressWidth: machine.config.processor.physicalAddressWidth,
  });
};

/** Watches a machine while it runs, until the function that comes back is called. */
export const watch = (
  machine: RunningMachine,
  kinds: ReadonlySet<TraceKind>,
  write: Write,
  told: ProcessorWatcher | undefined,
): (() => void) => {
  const ends = machine.processors.map((one) => watchProcessor(machine, one, kinds, write, told));
  return () => {
    for (const end of ends) end();
  };
};

const watchProcessor = (
  machine: RunningMachine,
  processor: RunningProcessor,
  kinds: ReadonlySet<TraceKind>,
  write: Write,
  told: ProcessorWatcher | undefined,
): (() => void) => {
  const { cpu, engine, memory, number } = processor;
  const which = machine.processors.length === 1 ? {} : { processor: number };
  const put = (kind: string, what: object): void =>
    write(
      `${JSON.stringify({ kind, clock: engine.clockStart + engine.retired, ...which, ...what }, readable)}\n`,
    );

  if (kinds.has('instructions'))
    engine.beforeInstruction = (instruction, address) =>
      put('instruction', {
        address: hex(address),
        text: disassemble(instruction, cpu.rip),
        ...(cpu.nonRoot ? { nonRoot: true } : {}),
      });

  cpu.watcher = told;
  if (kinds.has('events') || kinds.has('exits'))
    cpu.watcher = {
      ...cpu.watcher,
      ...(kinds.has('events')
        ? {
            delivered: (_cpu: ProcessorDraft, event: InterruptionEvent) =>
              put('delivery', { ...event, rip: cpu.rip }),
            staleTranslation: (_cpu: ProcessorDraft, report: StaleTranslation) => {
              put('stale-translation', { says: describeStale(report) });
              told?.staleTranslation?.(cpu, report);
            },
            undefinedUse: (_cpu: ProcessorDraft, use: UndefinedUse) => {
              put('undefined-use', { says: describeUndefinedUse(use) });
              told?.undefinedUse?.(cpu, use);
            },
            undelivered: (_cpu: ProcessorDraft, event: InterruptionEvent, fault: InterruptionEvent) =>
              put('undelivered', { ...event, fault, rip: cpu.rip }),
          }
        : {}),
      ...(kinds.has('exits')
        ? {
            enteredNonRoot: () => put('vm-entry', { rip: cpu.rip }),
            leftNonRoot: (_cpu: ProcessorDraft, exit: unknown) =>
              put('vm-exit', { rip: cpu.rip, ...(exit as object) }),
          }
        : {}),
    };

  const translate = memory.translate;
  if (kinds.has('walks')) {
    // One instruction at a time, so that each walk has the clock of its own.
    engine.beforeInstruction ??= () => {};
    memory.translate = (low, high, writes, fetch, implicit): number => {
      const address = join(low, high);
      const access = fetch ? 'fetch' : writes ? 'write' : 'read';
      const { references, outcome } = walkOf(machine, processor, address, access, implicit);
      if (references.length > 0)
        put('walk', {
          address,
          access,
          references: references.map(({ table, level, address: at, entry }) => ({
            table,
            level,
            address: hex(at),
            entry,
          })),
          ...(outcome.ok ? { physical: hex(outcome.value) } : { fault: outcome.fault }),
        });
      return translate.call(memory, low, high, writes, fetch, implicit);
    };
  }

  return () => {
    engine.beforeInstruction = undefined;
    cpu.watcher = undefined;
    memory.translate = translate;
  };
};

/** Whether an effect of a device belongs into the trace of events. */
export const effectLine = (effect: DeviceEffect, clock: number): string | undefined =>
  effect.kind === 'serial' ? undefined : `${JSON.stringify({ ...effect, clock }, readable)}\n`;
