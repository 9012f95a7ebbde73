/** What a pickle may hold, and the two questions that it asks its reader. */

/** A pickle that is broken or asks for more than data. */
export class PickleError extends Error {
  override name = 'PickleError';
}

/** A pickle that goes on behind the bytes at hand. */
export class PickleEndError extends PickleError {}

/** A class or function named in a pickle, as the host answers for it: what calling it makes, if it may be called. */
export interface PickleGlobal {
  readonly global: string;
  /** The value of a call (REDUCE, NEWOBJ). */
  readonly call?: (args: readonly PickleValue[]) => PickleValue;
}

/** An object of the host, which the machine passes around without looking inside. */
export interface PickleOpaque {
  readonly opaque: string;
}

/** An instance of a class that is known by name only: its state as entries, nothing more. */
export class PickleRecord extends Map<PickleKey, PickleValue> {}

/** Key of a dictionary. */
export type PickleKey = string | number | bigint | boolean | null;

/** Any value of a pickle; lists and tuples are arrays, dictionaries are maps, integers beyond 2^53 are bigints. */
export type PickleValue =
  | PickleKey
  | Uint8Array
  | PickleValue[]
  | Map<PickleKey, PickleValue>
  | PickleGlobal
  | PickleOpaque;

/** Answers what a pickle refers to; throws {@link PickleError} to refuse. */
export interface PickleHost {
  /** The class or function called `module.name`. */
  global(module: string, name: string): PickleGlobal;
  /** The object behind a persistent id. */
  persistent(id: PickleValue): PickleValue;
}

/** Whether a value is a named class or function. */
export function isGlobal(value: PickleValue): value is PickleGlobal {
  return typeof value === 'object' && value !== null && 'global' in value;
}

/** A short name of a value's kind for messages. */
export function kindOf(value: PickleValue): string {
  if (value === null) return 'None';
  if (typeof value !== 'object') return typeof value;
  if (Array.isArray(value)) return 'list';
  if (value instanceof Map) return 'dict';
  if (value instanceof Uint8Array) return 'bytes';
  return isGlobal(value) ? value.global : value.opaque;
}
