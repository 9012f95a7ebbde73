import type { HostTensor } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import { constant, type Key, normal, xavierUniform } from '../../nn/index.ts';
import type { WanConfig } from './config.ts';
import { wanShapes } from './shapes.ts';

/**
 * Fresh weights for training from scratch: Xavier uniform matrices (the patch convolution as one), N(0, 0.02²) for
 * the text and time embeddings, N(0, 1/D) modulation, gains 1, biases and the last layer 0.
 * Source: Wan2.1 wan/modules/model.py (`WanModel.init_weights`).
 */
export function* wanInitial(config: WanConfig, key: Key): Generator<[string, HostTensor]> {
  for (const [name, shape] of wanShapes(config)) yield [name, initial(name, shape, config, key)];
}

function initial(name: string, shape: readonly number[], { dim }: WanConfig, key: Key): HostTensor {
  const stream = key.stream(name);
  if (name.endsWith('.bias') || name === 'head.head.weight') return constant(0)(stream, shape);
  if (name.endsWith('modulation')) return normal(1 / Math.sqrt(dim))(stream, shape);
  if (shape.length === 1) return constant(1)(stream, shape);
  if (name.startsWith('text_embedding') || name.startsWith('time_embedding')) return normal(0.02)(stream, shape);
  const rows = elementCount(shape.slice(1));
  return { ...xavierUniform(stream, [shape[0]!, rows]), shape: [...shape] };
}
