/** What stages are given: nets, batches, text. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { TextEncoder, WanConfig, WanInput, wan } from '../model/internal.ts';
import { type HostFloats, type Key, type Net, toTensor } from '../nn/index.ts';
import { checkFunction, checkMethods } from './checks.ts';

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

/** @throws TypeError unless it draws batches. */
export function checkSource<T>(name: string, source: Source<T>): Source<T> {
  return checkFunction(name, source, '(key, count) => a batch of count items');
}

/** @throws TypeError unless it encodes. */
export function checkEncoder(text: TextEncoder): TextEncoder {
  return checkMethods('text', text, ['encode'], 'a text encoder { encode(prompts) }');
}
