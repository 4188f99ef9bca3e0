import { type ImageError, type ImageOptions, type ImagePlan, readImage } from '../../src/image';

export const OPTIONS: ImageOptions = { memoryBytes: 16 * 2 ** 20, fileName: 'guest.bin' };

export const planOf = (bytes: Uint8Array, options: Partial<ImageOptions> = {}): ImagePlan => {
  const outcome = readImage(bytes, { ...OPTIONS, ...options });
  if (!outcome.ok) throw new Error(outcome.fault.says);
  return outcome.value;
};

export const errorOf = (bytes: Uint8Array, options: Partial<ImageOptions> = {}): ImageError => {
  const outcome = readImage(bytes, { ...OPTIONS, ...options });
  if (outcome.ok) throw new Error(`loaded: ${outcome.value.description}`);
  return outcome.fault;
};

/** Bytes of the plan from a physical address on. */
export const memoryAt = (plan: ImagePlan, address: number, length: number): Uint8Array => {
  const home = plan.writes.find(
    (write) => write.address <= address && address + length <= write.address + write.bytes.length,
  );
  if (home === undefined) throw new Error(`nothing at ${address.toString(16)}`);
  return home.bytes.slice(address - home.address, address - home.address + length);
};

export const wordAt = (plan: ImagePlan, address: number): number =>
  new DataView(memoryAt(plan, address, 4).buffer).getUint32(0, true);

export const longAt = (plan: ImagePlan, address: number): bigint =>
  new DataView(memoryAt(plan, address, 8).buffer).getBigUint64(0, true);

export const textAt = (plan: ImagePlan, address: number): string => {
  let text = '';
  for (let at = address; ; at++) {
    const [byte] = memoryAt(plan, at, 1);
    if (byte === 0) return text;
    text += String.fromCharCode(byte);
  }
};
