export { announces, FEATURES, type FeatureName } from './features';
export { type FeatureEdits, type PresetName, type Processor, processor } from './processor';
export { resetProcessor } from './reset';
