// Statements of random guest programs: what a kernel or a user program may do, the sensitive weighted up.
import fc from 'fast-check';
import { type Assembler, REG } from './assembler';
import { integerInstruction, setRegister } from './instructions';
import { debugRegisters } from './statements/debug-registers';
import {
  events,
  flags,
  halt,
  iretq,
  loseEverything,
  lostStack,
  sleepForEver,
  time,
  timer,
} from './statements/events';
import { caches, virtualMachine } from './statements/hypervisor';
import {
  access,
  accessNothing,
  callWindow,
  changeWindow,
  localApic,
  selfModification,
} from './statements/memory';
import { ports, stringPorts } from './statements/ports';
import type { Statement } from './statements/statement';
import {
  controlRegisters,
  cpuid,
  descriptorTables,
  extendedControl,
  msrs,
  segments,
} from './statements/system-state';

export type { Statement };

const { r14, r15 } = REG;

/** Every statement that is no loop. */
const simple: readonly fc.WeightedArbitrary<Statement>[] = [
  {
    arbitrary: fc.array(integerInstruction, { minLength: 1, maxLength: 6 }).map((all) => (asm: Assembler) => {
      for (const emit of all) emit(asm);
    }),
    weight: 20,
  },
  { arbitrary: access, weight: 8 },
  { arbitrary: accessNothing, weight: 1 },
  { arbitrary: localApic, weight: 3 },
  { arbitrary: changeWindow, weight: 3 },
  { arbitrary: callWindow, weight: 3 },
  { arbitrary: selfModification, weight: 3 },
  { arbitrary: controlRegisters, weight: 10 },
  { arbitrary: extendedControl, weight: 3 },
  { arbitrary: msrs, weight: 8 },
  { arbitrary: cpuid, weight: 5 },
  { arbitrary: descriptorTables, weight: 4 },
  { arbitrary: segments, weight: 3 },
  { arbitrary: flags, weight: 6 },
  { arbitrary: events, weight: 5 },
  { arbitrary: iretq, weight: 2 },
  { arbitrary: lostStack, weight: 1 },
  { arbitrary: time, weight: 2 },
  { arbitrary: timer, weight: 3 },
  { arbitrary: debugRegisters, weight: 3 },
  { arbitrary: ports, weight: 5 },
  { arbitrary: stringPorts, weight: 3 },
  { arbitrary: virtualMachine, weight: 6 },
  { arbitrary: caches, weight: 3 },
  { arbitrary: halt, weight: 4 },
];

/** A statement with its landing place for faults in R15. */
const guarded =
  (statement: Statement): Statement =>
  (asm) => {
    const end = asm.label();
    asm.lea(r15, end);
    statement(asm);
    asm.bind(end);
  };

/** A body repeated; R14 counts. */
const loop: fc.Arbitrary<Statement> = fc
  .record({
    count: fc.integer({ min: 1, max: 12 }),
    body: fc.array(
      fc.oneof(
        { arbitrary: integerInstruction, weight: 8 },
        { arbitrary: access, weight: 2 },
        { arbitrary: selfModification, weight: 1 },
        { arbitrary: cpuid, weight: 1 },
        { arbitrary: setRegister, weight: 1 },
      ),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ count, body }) => (asm) => {
    const top = asm.label();
    const after = asm.label();
    asm.mov(r14, count).bind(top);
    for (const statement of body) guarded(statement)(asm);
    asm.lea(r15, after);
    asm.rr([0xff], 1, r14, 32).jcc(5, top);
    asm.bind(after);
  });

/** A guarded statement of any kind. */
export const statement: fc.Arbitrary<Statement> = fc.oneof(
  ...simple.map(({ arbitrary, weight }) => ({ arbitrary: arbitrary.map(guarded), weight })),
  { arbitrary: loop, weight: 10 },
);

/** A statement after which nothing follows: a triple fault, or a sleep that nothing ends. */
export const lastStatement: fc.Arbitrary<Statement> = fc.oneof(
  { arbitrary: loseEverything.map(guarded), weight: 3 },
  { arbitrary: sleepForEver.map(guarded), weight: 1 },
);

/** Integer code alone, hot: a loop that every tier runs. */
export const hotLoop: fc.Arbitrary<Statement> = fc
  .record({
    count: fc.integer({ min: 4, max: 40 }),
    body: fc.array(integerInstruction, { minLength: 1, maxLength: 12 }),
  })
  .map(({ count, body }) => (asm) => {
    const top = asm.label();
    const end = asm.label();
    asm.mov(r14, count).bind(top);
    // A fault leaves the rest of the body out.
    asm.lea(r15, end);
    for (const emit of body) emit(asm);
    asm.bind(end);
    asm.rr([0xff], 1, r14, 32).jcc(5, top);
  });
