export { announces, FEATURES, type FeatureName, linearAddressWidth, physicalAddressWidth } from './features';
export { type FeatureEdits, type PresetName, type Processor, processor } from './processor';
export { resetProcessor } from './reset';
