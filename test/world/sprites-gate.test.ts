/** The gate that an autoencoder of the sprites has to pass, and the first stage of a chain on them. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { packageRoot } from '../../src/io/internal.ts';
import { decode, encode, vae } from '../../src/model/internal.ts';
import { loadNetwork } from '../../src/study/index.ts';
import { Chain } from '../../src/study/internal.ts';
import { recipe, smokeRecipe, sprites } from '../../src/world/index.ts';
import { testFolder } from '../folder.ts';

const { sharpnessGate, spriteWorld } = sprites;

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
});

test('what changes nothing passes, and tells how blur lowers sharpness with speed', async () => {
  const before = tf.memory().numTensors;
  const gate = await sharpnessGate((videos) => tf.clone(videos), { clips: 240 });
  expect(tf.memory().numTensors).toBe(before);
  expect(gate.isMet).toBe(true);
  expect(gate.kept).toBeCloseTo(1, 5);
  for (const { real, coded } of gate.bySpeed) expect(coded).toBeCloseTo(real, 5);
  const moving = gate.bySpeed.slice(1).map(({ real }) => real);
  expect(moving).toEqual([...moving].sort((a, b) => b - a));
  expect(gate.bySpeed[0]!.real).toBeCloseTo(1, 5);
  expect(moving).toBeAllClose([0.97, 0.89, 0.78, 0.66, 0.56, 0.45], { atol: 0.08 });
  expect(gate.bySpeed.reduce((sum, { count }) => sum + count, 0)).toBe(240);
});

test('what softens sharp things does not pass', async () => {
  const gate = await sharpnessGate(softened, { clips: 96 });
  expect(gate.kept).toBeLessThan(0.7);
  expect(gate.isMet).toBe(false);
  expect(gate.bySpeed[3]!.coded).toBeGreaterThan(gate.bySpeed[3]!.real);
});

/** Each pixel the mean of nine. */
function softened(videos: Tensor): Tensor {
  const [batch, , height, width] = videos.shape as [number, number, number, number, number];
  const frames = tf.reshape(videos, [batch, height, width, 3]) as never;
  return tf.reshape(tf.pool(frames, 3, 'avg', 'same', 1, 1), videos.shape);
}

test('a chain trains an autoencoder of pictures first, which codes clips', async () => {
  const folder = await testFolder('sprites-vae');
  const world = spriteWorld();
  const smoke = smokeRecipe(world);
  expect(smoke.vae.config).toMatchObject({ patch_size: 2, kernel_frames: 1, dim_mult: [1, 2] });
  const stages = new Set<string>();
  for await (const { stage, values } of new Chain({ recipe: smoke, world, folder }).vae()) {
    stages.add(stage);
    expect(values['loss']).toBeGreaterThan(0);
  }
  expect([...stages]).toEqual(['vae-1', 'vae-2']);
  const net = await loadNetwork(join(folder, 'weights'), 'vae', vae);
  const clip = world.clip(0).clip;
  const video = tf.tensor(clip.data, [1, 9, 64, 64, 3]);
  expect(encode(net, video).shape).toEqual([1, 9, 16, 16, 4]);
  const gate = await sharpnessGate((videos) => decode(net, encode(net, videos)), { clips: 12 });
  expect(Number.isFinite(gate.kept)).toBe(true);
  expect(gate.isMet).toBe(false);
  net.dispose();
}, 60_000);

test('the autoencoder that comes with the package passes', async () => {
  const net = await loadNetwork(join(packageRoot(), 'data', 'study-sprites'), 'vae', vae);
  const { latents_mean: _, latents_std: __, ...sizes } = recipe(spriteWorld()).vae.config;
  expect(net.config).toMatchObject(sizes);
  const gate = await sharpnessGate((videos) => decode(net, encode(net, videos)), { clips: 144 });
  expect(gate.isMet).toBe(true);
  expect(gate.kept).toBeGreaterThan(0.85);
  net.dispose();
});
