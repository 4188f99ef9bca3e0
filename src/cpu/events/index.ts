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
  ioBreakpoint,
  PENDING,
} from './debug';
export { DELIVERY_LIMIT, type DeliveryOutcome, deliver } from './deliver';
