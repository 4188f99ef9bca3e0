import type { Account } from '../account';
import { BLOCKING } from './blocking';
import { CR0_READ } from './cr0-read';
import { CR0_WRITE } from './cr0-write';
import { CR3 } from './cr3';
import { CR4_READ } from './cr4-read';
import { CR4_WRITE } from './cr4-write';
import { CR8 } from './cr8';
import { DEBUG } from './debug';
import { INJECTION } from './injection';
import { INSTR } from './instr';
import { IRET } from './iret';
import { MSR } from './msr';
import { MONITOR_TRAP_FLAG } from './mtf';
import { OTHER } from './other';
import { PREEMPTION_TIMER } from './preemption-timer';
import { TASK_SWITCHES } from './task-switch';
import { TSC } from './tsc';
import { UNRESTRICTED } from './unrestricted';
import { USER_INTERRUPTS } from './user-interrupt';
import { USER_WAIT } from './user-wait';
import { VMFUNC } from './vmfunc';
import { WINDOWS } from './window';

/** How VMX non-root operation differs, by topic. */
export const NON_ROOT_BEHAVIOUR: readonly Account[] = [
  ...CR0_READ,
  ...CR4_READ,
  ...CR0_WRITE,
  ...CR4_WRITE,
  ...CR3,
  ...CR8,
  ...IRET,
  ...TSC,
  ...USER_WAIT,
  ...MSR,
  ...INSTR,
  ...VMFUNC,
  ...TASK_SWITCHES,
  ...DEBUG,
  ...BLOCKING,
  ...WINDOWS,
  ...INJECTION,
  ...UNRESTRICTED,
  ...MONITOR_TRAP_FLAG,
  ...PREEMPTION_TIMER,
  ...USER_INTERRUPTS,
  ...OTHER,
];
