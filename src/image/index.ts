export { type FirmwareOptions, type FirmwarePlan, readFirmware } from './firmware';
export {
  type DescriptorTable,
  IMAGE_MODES,
  type ImageError,
  type ImageMode,
  type ImageModule,
  type ImageOptions,
  type ImagePlan,
  type ImageWrite,
  type PhysicalRange,
  type RegisterName,
  refuse,
} from './plan';
export { readImage } from './read-image';
