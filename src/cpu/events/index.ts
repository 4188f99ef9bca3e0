export {
  beginInstruction,
  boundaryEvent,
  endInstruction,
  isHeldByShadow,
  NMI,
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
export { innerStack, type NewStack, prepareFrame, stackPointer64 } from './stack';
export { staysInVirtual8086, virtualFlagsImage } from './virtual-8086';
