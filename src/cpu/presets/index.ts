export { announces, FEATURES, type FeatureName, featureBit } from './features';
export {
  editsFor,
  type FeatureEdits,
  PRESET_NAMES,
  type PresetName,
  type Processor,
  partOf,
  processor,
} from './processor';
export { resetProcessor } from './reset';
