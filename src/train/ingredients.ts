/** What stages are given (nets, batches, text), and its checks before the first step: errors name the argument, what came and what is wanted. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { TextEncoder, WanConfig, WanInput, wan } from '../model/internal.ts';
import { type HostFloats, type Key, Net, toTensor } from '../nn/index.ts';
import type { Schedule } from '../sampler/index.ts';
import { checkSchedule } from '../sampler/internal.ts';

/** A batch of `count` items, drawn with the key of the step: the same key gives the same batch. */
export type Source<T> = (key: Key, count: number) => T | Promise<T>;

export type { TextEncoder };

/** Clean latents `[B, F, H, W, C]` with their prompts. */
export interface LatentBatch {
  latents: HostFloats;
  prompts: readonly string[];
}

/** Velocity `[B, F, H, W, C]` by the network's own pass over a whole clip; `t` in 0..1000, `[B]` or `[B, F]`. */
export function velocityOf(net: Net<WanConfig>, input: WanInput): Tensor {
  return (net.architecture as typeof wan).forward(net, input);
}

/** Run `work` on tensors made of host data and of tensors handed over; all of them are released afterwards. */
export async function withTensors<T, R>(
  sources: { [K in keyof T]: Tensor | HostFloats },
  work: (tensors: { [K in keyof T]: Tensor }) => Promise<R>,
): Promise<R> {
  const tensors = Object.fromEntries(
    Object.entries<Tensor | HostFloats>(sources).map(([name, source]) => [
      name,
      source instanceof tf.Tensor ? source : toTensor(source),
    ]),
  ) as { [K in keyof T]: Tensor };
  try {
    return await work(tensors);
  } finally {
    tf.dispose(tensors as Record<string, Tensor>);
  }
}

export function checkSource<T>(name: string, source: Source<T>): Source<T> {
  return checkFunction(name, source, '(key, count) => a batch of count items');
}

export function checkEncoder(text: TextEncoder): TextEncoder {
  return checkMethods('text', text, ['encode'], 'a text encoder { encode(prompts) }');
}

/** Where a number may lie; ends count as inside unless they are `above` or `below`. */
export interface Bounds {
  min?: number;
  max?: number;
  above?: number;
  below?: number;
}

/** Clips in a step: more than this is a slip of the keyboard, found before memory runs out. */
const MAX_BATCH = 65_536;

/** Anything as an error message shows it, cut where it is long. */
export function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint' || value === undefined) return String(value);
  if (typeof value === 'function') return 'a function';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}

/** @throws RangeError unless `value` is a finite number within the bounds. */
export function checkNumber(name: string, value: number, { min, max, above, below }: Bounds = {}): number {
  const isInside =
    Number.isFinite(value) &&
    value >= (min ?? Number.NEGATIVE_INFINITY) &&
    value <= (max ?? Number.POSITIVE_INFINITY) &&
    value > (above ?? Number.NEGATIVE_INFINITY) &&
    value < (below ?? Number.POSITIVE_INFINITY);
  if (isInside) return value;
  const low = min !== undefined ? ` from ${min}` : above !== undefined ? ` above ${above}` : '';
  const high = max !== undefined ? ` to ${max}` : below !== undefined ? ` below ${below}` : '';
  throw new RangeError(`${name}: wanted a finite number${low}${high}, received ${shown(value)}`);
}

/** @throws RangeError unless `value` is a whole number in `low..high`. */
export function checkWhole(name: string, value: number, low: number, high: number = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  const wanted = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `in ${low}..${high}`;
  throw new RangeError(`${name}: wanted a whole number ${wanted}, received ${shown(value)}`);
}

export function checkBatch(batch: number): number {
  return checkWhole('batch', batch, 1, MAX_BATCH);
}

export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  throw new RangeError(`${name}: wanted ${choices.map(shown).join(' or ')}, received ${shown(value)}`);
}

export function checkText(name: string, value: string): string {
  if (typeof value === 'string') return value;
  throw new TypeError(`${name}: wanted a text, received ${shown(value)}`);
}

export function checkFunction<T>(name: string, value: T, signature: string): T {
  if (typeof value === 'function') return value;
  throw new TypeError(`${name}: wanted a function ${signature}, received ${shown(value)}`);
}

export function checkMethods<T extends object>(
  name: string,
  value: T,
  methods: readonly (keyof T & string)[],
  what: string,
): T {
  if (value && methods.every((method) => typeof value[method] === 'function')) return value;
  throw new TypeError(`${name}: wanted ${what}, received ${shown(value)}`);
}

export function checkNet<T>(name: string, value: T): T {
  if (value instanceof Net) return value;
  const hint = 'such as the one that its architecture loads: await wan.load(config, entries)';
  throw new TypeError(`${name}: wanted a net, ${hint}, received ${value ? 'something else' : shown(value)}`);
}

/** @throws RangeError unless `shape` is `[F, H, W, C]` in whole numbers. */
export function checkLatentShape<T extends readonly number[]>(name: string, shape: T): T {
  if (Array.isArray(shape) && shape.length === 4 && shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    return shape;
  }
  throw new RangeError(
    `${name}: wanted [frames, height, width, channels] of a clip's latents, received ${shown(shape)}`,
  );
}

/** @throws RangeError unless it is a schedule whose levels fall. */
export function checkSteps(name: string, schedule: Schedule): Schedule {
  if (!schedule?.sigmas || !schedule.timesteps) {
    throw new TypeError(
      `${name}: wanted a schedule, such as sampler.denoisingSteps makes, received ${shown(schedule)}`,
    );
  }
  const levels = [...schedule.sigmas, ...schedule.timesteps];
  if (!levels.every(Number.isFinite))
    throw new RangeError(`${name}: wanted finite levels, received ${levels.join(', ')}`);
  checkSchedule(schedule);
  return schedule;
}

export function checkSeed(seed: number | string): number | string {
  if (typeof seed === 'string' || Number.isSafeInteger(seed)) return seed;
  throw new RangeError(`seed: wanted a whole number below 2^53 or a text, received ${shown(seed)}`);
}
