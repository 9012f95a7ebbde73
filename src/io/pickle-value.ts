/** What a pickle may hold, the two questions that it asks its reader, and the reading of its parts. */
import { quoted } from './json.ts';

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
  return isGlobal(value) ? quoted(value.global) : value.opaque;
}

/** @throws PickleError for a key that is there: which of two values was meant, the file cannot say. */
export function setNew(map: Map<PickleKey, PickleValue>, key: PickleKey, value: PickleValue): void {
  if (map.has(key)) throw new PickleError(`the key ${quoted(String(key))} stands twice`);
  map.set(key, value);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads the parts of a pickle one after the other; every length is checked before anything is allocated. */
export class PickleReader {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, begin: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = begin;
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** A length of 64 bits. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  /** The one number of a pickle that is big-endian. */
  float64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** The next `length` bytes (not copied). */
  bytes(length: number): Uint8Array {
    const begin = this.#take(length);
    return this.#bytes.subarray(begin, begin + length);
  }

  text(length: number): string {
    const bytes = this.bytes(length);
    try {
      return utf8.decode(bytes);
    } catch {
      throw new PickleError(`the text before byte ${this.position} is not UTF-8`);
    }
  }

  /** Text up to the next line end, which is skipped. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.position);
    if (end < 0) throw new PickleEndError(`the line at byte ${this.position} does not end`);
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }

  /** A little-endian two's-complement integer; beyond 2^53 a bigint. */
  integer(length: number): number | bigint {
    if (length > 1024) throw new PickleError(`an integer of ${length} bytes is more than the 1024 accepted`);
    const digits = [...this.bytes(length)].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
    const value = BigInt.asIntN(8 * length, BigInt(`0x${digits.join('') || '0'}`));
    const small = Number(value);
    return Number.isSafeInteger(small) ? small : value;
  }

  /** Moves past `length` bytes and returns where they begin. */
  #take(length: number): number {
    const begin = this.position;
    if (!(length >= 0) || length > this.#bytes.byteLength - begin) {
      throw new PickleEndError(
        `${length} bytes are wanted at byte ${begin}, but only ${this.#bytes.byteLength - begin} are left`,
      );
    }
    this.position = begin + length;
    return begin;
  }
}
