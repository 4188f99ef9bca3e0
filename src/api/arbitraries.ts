/** Arbitraries for fast-check, which must be installed beside: valid and nearly valid VMCSs, page tables, EPT trees, sequences of invalidations. */

export {
  type BrokenEntry,
  type EptTree,
  eptTrees,
  type InvalidationPool,
  invalidationSequences,
  invalidations,
  type MappedPage,
  type NearlyValidVmcs,
  nearlyValidEptTrees,
  nearlyValidPageTables,
  nearlyValidVmcs,
  type PageTables,
  pageTables,
  validVmcs,
} from '../arbitraries';
