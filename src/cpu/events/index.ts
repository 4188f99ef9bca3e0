export {
  beginInstruction,
  boundaryEvent,
  endInstruction,
  needsBoundaryWork,
  trapByNewFlags,
} from './boundary';
export {
  type DataAccessKind,
  DEBUGCTL,
  dataBreakpoint,
  debugException,
  enterDebugHandler,
  ioBreakpoint,
  linearRip,
  PENDING,
} from './debug';
export { DELIVERY_LIMIT, type DeliveryOutcome, deliver } from './deliver';
export { isSoftware } from './interrupt-gate';
