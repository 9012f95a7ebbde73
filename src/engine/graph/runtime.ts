/**
 * What the recorder asks of an engine that runs graphs. Data on the engine's side is known by a pointer, a number that
 * is 0 where there is none; the engine never sees tensors, kernels or the recorder.
 */
import type { Program } from './graph.ts';
import type { ElementType, TensorArray, TensorType } from './value.ts';

/** A compiled graph. */
export interface Executable {
  /** Runs it; `outputs` must be zero and receives new data that the caller owns. Throws when a node fails. */
  run(inputs: Pointers, outputs: Pointers): void;
  release(): void;
}

export interface GraphRuntime {
  /** Name of the engine, for errors. */
  readonly name: string;
  /** Channels in a block of `BlockedConv`, 0 where the engine has no such operator. */
  readonly channelBlock: number;
  /** Compiles a graph. Throws what the library says when it refuses it. */
  compile(program: Program): Executable;
  /** New data with the content of `data`; the caller releases it. */
  createValue(dtype: ElementType, shape: readonly number[], data: TensorArray): number;
  readValue(pointer: number, dtype: TensorType, shape: readonly number[]): TensorArray;
  releaseValue(pointer: number): void;
}

/** An array of pointers as C reads it, which grows to the length asked for. */
export class Pointers {
  buffer: Uint32Array;

  constructor(length: number) {
    this.buffer = new Uint32Array(2 * Math.max(1, length));
  }

  /** Makes room for `length` pointers, all zero. */
  reset(length: number): void {
    if (this.buffer.length < 2 * length) this.buffer = new Uint32Array(4 * length);
    else this.buffer.fill(0, 0, 2 * length);
  }

  set(index: number, pointer: number): void {
    this.buffer[2 * index] = pointer % 4294967296;
    this.buffer[2 * index + 1] = Math.floor(pointer / 4294967296);
  }

  get(index: number): number {
    return this.buffer[2 * index + 1]! * 4294967296 + this.buffer[2 * index]!;
  }
}
