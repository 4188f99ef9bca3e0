export { announces, FEATURES, type FeatureName } from './features';
export { editsFor, type FeatureEdits, type PresetName, type Processor, processor } from './processor';
export { resetProcessor } from './reset';
