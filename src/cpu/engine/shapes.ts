import type { Block, LastOperation } from './block';

/** Names that emitted code uses; the engine supplies their values in this order. */
export const ENVIRONMENT = [
  'W',
  'RL',
  'RH',
  'RW',
  'RB',
  'WL',
  'WH',
  'WW',
  'WB',
  'read',
  'update',
  'write',
  'missed',
  'indirect',
  'linear',
  'beyond',
  'carry',
  'holds',
  'overflows',
  'multiply',
  'pure',
  'pushAll',
] as const;

/** Values of the names in `ENVIRONMENT`, in that order. */
export type EnvironmentValues = readonly unknown[];
/** Makes the closure of one instruction: the block it stands in (for links), then the parameters of its shape. */
export type Factory = (block: Block | undefined, ...parameters: readonly unknown[]) => LastOperation;
/** A shape bound to no engine yet. */
export type Shape = (...environment: EnvironmentValues) => Factory;

const probe = (): boolean => {
  try {
    return new Function('return true')() === true;
  } catch {
    return false;
  }
};

/** Whether code may be made from text here; a page's content security policy may forbid it. Then every row runs on the computing builder. */
export const MAY_COMPILE: boolean = probe();

const compiled = new Map<string, Shape>();

/** Source of a shape: a function over the environment that returns the factory. */
const shapeSource = (body: string, parameters: number): string => {
  const names = Array.from({ length: parameters }, (_, i) => `p${i}`);
  return `'use strict';return function(${['X', ...names].join(',')}){return function(){${body}}}`;
};

/** The shape with this body, compiled once for the life of the program. */
export const shapeOf = (body: string, parameters: number): Shape => {
  let shape = compiled.get(body);
  if (shape === undefined) {
    shape = new Function(...ENVIRONMENT, shapeSource(body, parameters)) as Shape;
    compiled.set(body, shape);
  }
  return shape;
};
