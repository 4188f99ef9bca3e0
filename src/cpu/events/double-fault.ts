import { EVENT_TYPE, type InterruptionEvent, VECTOR } from '../event';

type FaultClass = 'benign' | 'contributory' | 'page-fault' | 'double-fault';

const CONTRIBUTORY: ReadonlySet<number> = new Set([
  VECTOR.de,
  VECTOR.ts,
  VECTOR.np,
  VECTOR.ss,
  VECTOR.gp,
  VECTOR.cp,
]);

// SDM Vol. 3A, Table 6-4 Interrupt and Exception Classes: only exceptions of the processor are other than benign
const classOf = (event: InterruptionEvent): FaultClass => {
  if (event.type !== EVENT_TYPE.hardwareException) return 'benign';
  if (event.vector === VECTOR.df) return 'double-fault';
  if (event.vector === VECTOR.pf || event.vector === VECTOR.ve) return 'page-fault';
  return CONTRIBUTORY.has(event.vector) ? 'contributory' : 'benign';
};

/** SDM Vol. 3A, Table 6-5 Conditions for Generating a Double Fault: first event, then second. */
const OUTCOMES: Readonly<Record<FaultClass, Readonly<Record<FaultClass, 'serial' | 'double' | 'triple'>>>> = {
  benign: { benign: 'serial', contributory: 'serial', 'page-fault': 'serial', 'double-fault': 'serial' },
  contributory: {
    benign: 'serial',
    contributory: 'double',
    'page-fault': 'serial',
    'double-fault': 'triple',
  },
  'page-fault': {
    benign: 'serial',
    contributory: 'double',
    'page-fault': 'double',
    'double-fault': 'triple',
  },
  'double-fault': {
    benign: 'serial',
    contributory: 'triple',
    'page-fault': 'triple',
    'double-fault': 'triple',
  },
};

export const DOUBLE_FAULT: InterruptionEvent = Object.freeze({
  vector: VECTOR.df,
  type: EVENT_TYPE.hardwareException,
  errorCode: 0,
});
/** In real-address mode, which knows no error codes. */
const REAL_DOUBLE_FAULT: InterruptionEvent = Object.freeze({
  vector: VECTOR.df,
  type: EVENT_TYPE.hardwareException,
});

/** What to deliver when `second` arises in the delivery of `first`; 'triple-fault' for shutdown. */
export const combine = (
  first: InterruptionEvent,
  second: InterruptionEvent,
  protectedMode: boolean,
): InterruptionEvent | 'triple-fault' => {
  const outcome = OUTCOMES[classOf(first)][classOf(second)];
  if (outcome === 'serial') return second;
  if (outcome !== 'double') return 'triple-fault';
  return protectedMode ? DOUBLE_FAULT : REAL_DOUBLE_FAULT;
};
