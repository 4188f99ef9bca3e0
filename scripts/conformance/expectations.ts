import { Ajv } from 'ajv';

/** What one image must do. */
export interface Expectation {
  /** File name in the folder of images. */
  readonly image: string;
  /** `run`: on the bare machine; `check`: the criteria under the hardware-assisted monitor hold as well. */
  readonly command: 'run' | 'check';
  /** Command line after the image's name. */
  readonly append: string;
  /** RAM in MiB. */
  readonly memoryMib: number;
  /** More instructions than these are a failure. */
  readonly maxInstructions: number;
  /** Lines that begin with PASS, FAIL and SKIP. */
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Exit status of the guest: (code << 1) | 1. */
  readonly status: number;
}

export interface Expectations {
  readonly suite: string;
  readonly images: readonly Expectation[];
}

/** What the user gave cannot be used: one line that names it and what would mend it. */
export class BadInput extends Error {}

const COUNT = { type: 'integer', minimum: 0 };
const PROPERTIES = {
  // A name in the folder, never a path out of it.
  image: { type: 'string', pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]*$' },
  command: { enum: ['run', 'check'] },
  append: { type: 'string' },
  memoryMib: { type: 'integer', minimum: 1 },
  maxInstructions: { type: 'integer', minimum: 1 },
  passed: COUNT,
  failed: COUNT,
  skipped: COUNT,
  status: { type: 'integer', minimum: 1, maximum: 255 },
};
const isExpectations = new Ajv().compile<Expectations>({
  type: 'object',
  required: ['suite', 'images'],
  additionalProperties: false,
  properties: {
    suite: { type: 'string' },
    images: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: Object.keys(PROPERTIES),
        additionalProperties: false,
        properties: PROPERTIES,
      },
    },
  },
});

/** Throws `BadInput` with the field that is wrong. */
export const parseExpectations = (file: string, text: string): Expectations => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new BadInput(`${file}: not JSON (${(error as Error).message})`);
  }
  if (isExpectations(value)) return value;
  const { instancePath, message } = isExpectations.errors![0];
  throw new BadInput(`${file}: ${instancePath.slice(1).replaceAll('/', '.') || 'the whole'} ${message}`);
};
