export type {
  DescriptorTable,
  ImageError,
  ImageModule,
  ImageOptions,
  ImagePlan,
  ImageWrite,
  PhysicalRange,
  RegisterName,
} from './plan';
export { readImage } from './read-image';
