/** Extended page tables: entries, the EPT pointer, table building, and the two-dimensional walk step by step. */

export type { Bitfield, BitRange } from '../core';
export type { PagingRights } from '../cpu/page-fault';
export type { PagingFeatures } from '../cpu/paging-format';
export {
  COMMON_EPT,
  decodeEptEntry,
  EPT_ENTRY,
  EPT_LEAF_ENTRY,
  EPT_MEMORY_TYPE,
  EPT_RIGHTS,
  EPT_TABLE_ENTRY,
  EPTP,
  type EptAccess,
  type EptCapabilities,
  type EptFault,
  type EptMapping,
  type EptMisconfiguration,
  type EptpError,
  EptTables,
  type EptViolation,
  eptAllows,
  eptpError,
  eptStructureMemoryType,
  eptViolationQualification,
  type GuestPaging,
  guestMemoryType,
  MEMORY_TYPE,
  type MemoryType,
  type MemoryTyping,
  type PageFault,
  type WalkReference,
  type WalkRequest,
  walk,
} from '../ept';
