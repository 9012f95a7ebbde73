import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { type HostTensor, hostTensor } from '../../../src/io/index.ts';
import { clip, clipPresets } from '../../../src/model/internal.ts';

beforeAll(async () => {
  await use('cpu');
});

const part = (name: string, value: number): [string, HostTensor] => [
  `vision_model.encoder.layers.0.self_attn.${name}_proj.bias`,
  hostTensor('float32', [2], Float32Array.of(value, value)),
];

async function* cut(): AsyncGenerator<[string, HostTensor]> {
  yield part('q', 1);
  yield part('k', 2);
  throw new Error('the file ends');
}

test('a checkpoint that breaks off between q, k and v leaves no tensor behind', async () => {
  const before = tf.memory().numTensors;
  await expect(clip.load(clipPresets['vit-b-32'], cut())).rejects.toThrow('the file ends');
  expect(tf.memory().numTensors).toBe(before);
});

test('a checkpoint without v is refused and leaves no tensor behind', async () => {
  const before = tf.memory().numTensors;
  await expect(clip.load(clipPresets['vit-b-32'], [part('q', 1), part('k', 2)])).rejects.toThrow(/missing/);
  expect(tf.memory().numTensors).toBe(before);
});
