/**
 * Parity data: numbers written by the original implementations, read from the folder that FIXTURES names
 * (default `../shared/fixtures` beside the repository). Sizes and names come from the files, never from tests.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import type { Tensor } from '../../src/engine/tf.ts';
import { type HostTensor, readSafetensors, toFloat32 } from '../../src/io/index.ts';
import { toTensor } from '../../src/nn/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Absolute path of the folder that holds all fixtures. */
export const fixturesFolder: string = resolve(root, process.env['FIXTURES'] ?? '../shared/fixtures');

/** One fixture: a folder with config.json and safetensors files. */
export interface Fixture {
  readonly name: string;
  /** config.json; keys that start with `_` are notes of the fixture. Throws where the fixture has none. */
  readonly config: Record<string, unknown>;
  path(file: string): string;
  json<T = unknown>(file: string): T;
  /** Tensors of a file, case.safetensors unless said otherwise. */
  tensors(file?: string): Promise<FixtureTensors>;
}

/** Opens a fixture; fails loudly if the folder is not there. */
export function fixture(name: string): Fixture {
  const folder = join(fixturesFolder, name);
  if (!existsSync(folder)) {
    throw new Error(`no fixture "${name}" in ${fixturesFolder}: set FIXTURES to the folder that holds the fixtures`);
  }
  const path = (file: string) => join(folder, file);
  const json = <T>(file: string) => JSON.parse(readFileSync(path(file), 'utf8')) as T;
  return {
    name,
    get config() {
      return json<Record<string, unknown>>('config.json');
    },
    path,
    json,
    tensors: async (file = 'case.safetensors') => new FixtureTensors(path(file), await readSafetensors(path(file))),
  };
}

/** The tensors of one file of a fixture. */
export class FixtureTensors {
  readonly path: string;
  readonly all: ReadonlyMap<string, HostTensor>;

  constructor(path: string, all: ReadonlyMap<string, HostTensor>) {
    this.path = path;
    this.all = all;
  }

  has(name: string): boolean {
    return this.all.has(name);
  }

  /** Names, optionally only those that start with `prefix`. */
  names(prefix: string = ''): string[] {
    return [...this.all.keys()].filter((name) => name.startsWith(prefix));
  }

  host(name: string): HostTensor {
    const found = this.all.get(name);
    if (found === undefined) throw new Error(`${this.path} has no tensor "${name}"`);
    return found;
  }

  shape(name: string): number[] {
    return this.host(name).shape;
  }

  /** Values as numbers: float64 kept, everything else as float32. */
  values(name: string): Float32Array | Float64Array {
    const host = this.host(name);
    return host.dtype === 'float64' ? (host.data as Float64Array) : toFloat32(host);
  }

  /** Values as a plain list, for timesteps, ids and sizes. */
  list(name: string): number[] {
    return Array.from(this.values(name));
  }

  /** A tensor on the current engine. */
  tensor(name: string): Tensor {
    return toTensor(this.host(name));
  }
}

/** Bounds of a comparison: |received - expected| <= atol + rtol * max|expected|. */
export interface Bounds {
  atol?: number;
  rtol?: number;
}

/** Fails unless shape (of tensors) and values agree; reports the largest error either way. */
export async function expectParity(
  caseName: string,
  received: Tensor | ArrayLike<number>,
  expected: HostTensor | ArrayLike<number>,
  bounds: Bounds = {},
): Promise<void> {
  if ('dtype' in received && 'shape' in expected) expect(received.shape, caseName).toEqual(expected.shape);
  const got = 'dtype' in received ? await received.data() : received;
  const want = 'shape' in expected ? (expected.dtype === 'float64' ? expected.data : toFloat32(expected)) : expected;
  report(caseName, largestError(got, want as ArrayLike<number>));
  expect(got, caseName).toBeAllClose(want as ArrayLike<number>, { atol: bounds.atol ?? 1e-4, rtol: bounds.rtol ?? 0 });
}

/** Largest absolute difference; NaN where one side holds NaN or is shorter. */
export function largestError(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (received.length !== expected.length) return Number.NaN;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = received[i] === expected[i] ? 0 : Math.abs(received[i]! - expected[i]!);
    if (Number.isNaN(error)) return error;
    worst = Math.max(worst, error);
  }
  return worst;
}

const lines = new Map<string, number>();

/** Remembers the largest error of a case; the lines are printed when the file's tests are done. */
export function report(caseName: string, error: number): void {
  lines.set(caseName, Math.max(lines.get(caseName) ?? 0, error));
}

afterAll(() => {
  const text = [...lines].map(([name, error]) => `parity ${name}: ${error.toExponential(2)}\n`).join('');
  process.stdout.write(text);
  lines.clear();
});
