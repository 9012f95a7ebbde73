/** What the VAE promises whatever its size: every chunking agrees, nothing looks ahead, gradients stop where told. */
import { describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import {
  decode,
  decodeStream,
  encode,
  encodePosterior,
  type VaeConfig,
  vae,
  vaeConfig,
  vaeShapes,
} from '../../../src/model/internal.ts';
import { type ChunkRun, chunkRun } from '../../../src/model/vae/chunks.ts';
import { decoderLayers } from '../../../src/model/vae/layers.ts';
import { decodeChunk, encodeChunk, encodeStream } from '../../../src/model/vae/stream.ts';
import { parameterCount, random, Weights } from '../../../src/nn/index.ts';
import { hashed, hashedWeight } from '../hashed.ts';

/** Temporal and spatial stride 4, attention in the levels of half resolution. */
const small = vaeConfig({
  dim: 4,
  z_dim: 3,
  dim_mult: [1, 2, 3],
  num_res_blocks: 1,
  attn_scales: [0.5],
  temperal_downsample: [true, true],
  latents_mean: [0.1, -0.2, 0.3],
  latents_std: [1.5, 0.5, 2],
});
const mixed = vaeConfig({
  dim: 4,
  z_dim: 2,
  dim_mult: [1, 2, 2],
  num_res_blocks: 2,
  temperal_downsample: [true, false],
});
const flat = vaeConfig({ dim: 4, z_dim: 2, dim_mult: [1, 1], num_res_blocks: 1, temperal_downsample: [false] });
const packed = vaeConfig({ ...flat, patch_size: 2 });
const pictures = vaeConfig({ ...packed, kernel_frames: 1 });

await use('cpu');

function seeded(config: VaeConfig): Weights {
  return Weights.from(
    [...vaeShapes(config)].map(([name, shape]) => [name, tf.tensor(hashedWeight(name, shape), [...shape])]),
  );
}

function input(name: string, shape: number[]): Tensor {
  return tf.tensor(hashed(name, shape), shape);
}

describe.each([
  ['stride 4 in time', small, 9],
  ['stride 2 in time', mixed, 7],
  ['no stride in time', flat, 3],
  ['packed squares', packed, 3],
  ['pictures', pictures, 3],
])('%s', (_, config, frames) => {
  const weights = seeded(config);
  const video = input('video', [2, frames, 8, 12, 3]);

  test('every chunking encodes and decodes alike', () => {
    const whole = encode({ weights, config }, video, { latentsPerChunk: 99 });
    const pixels = decode({ weights, config }, whole);
    expect(pixels.shape).toEqual(video.shape);
    for (const latentsPerChunk of [1, 2]) {
      const latents = encode({ weights, config }, video, { latentsPerChunk });
      expect(latents.dataSync()).toBeAllClose(whole.dataSync(), { atol: 1e-5 });
      const again = decode({ weights, config }, whole, { latentsPerChunk });
      expect(again.dataSync()).toBeAllClose(pixels.dataSync(), { atol: 1e-5 });
    }
  });

  test('every chunking has the same gradients', () => {
    const loss = (latentsPerChunk: number) => () => {
      const z = encode({ weights, config }, video, { latentsPerChunk });
      return decode({ weights, config }, z, { latentsPerChunk, clamp: false }).square().mean().asScalar();
    };
    const whole = tf.variableGrads(loss(99), weights.trainable()).grads;
    const chunked = tf.variableGrads(loss(1), weights.trainable()).grads;
    for (const { name } of weights.trainable()) {
      expect(chunked[name]!.dataSync()).toBeAllClose(whole[name]!.dataSync(), { atol: 1e-6, rtol: 1e-4 });
    }
  });
});

describe('causality and truncation', () => {
  const weights = seeded(small);
  const z = input('z', [1, 3, 2, 3, 3]);

  test('pixels of a latent do not depend on later latents', () => {
    const changed = tf.concat([z.slice([0, 0], [1, 2]), input('other', [1, 1, 2, 3, 3])], 1);
    const [a, b] = [z, changed].map((latents) => decode({ weights, config: small }, latents));
    const early = (x: Tensor) => x.slice([0, 0], [1, 5]).dataSync();
    expect(early(a!)).toEqual(early(b!));
    expect(a!.dataSync()).not.toEqual(b!.dataSync());
  });

  test('left-over frames are dropped', () => {
    const video = input('video', [1, 7, 8, 8, 3]);
    const kept = encode({ weights, config: small }, video.slice([0, 0], [1, 5]));
    expect(encode({ weights, config: small }, video).dataSync()).toEqual(kept.dataSync());
  });

  test('a truncated gradient keeps the pixels and is exact for the last latents', () => {
    const lastFrame = (latents: Tensor, options: object) =>
      decode({ weights, config: small }, latents, { clamp: false, ...options })
        .slice([0, 8], [1, 1])
        .square()
        .sum()
        .asScalar();
    const full = tf.valueAndGrad((x: Tensor) => lastFrame(x, {}))(z);
    const cut = tf.valueAndGrad((x: Tensor) => lastFrame(x, { gradientLatents: 2 }))(z);
    expect(cut.value.dataSync()).toBeAllClose(full.value.dataSync(), { rtol: 1e-5 });
    const part = (x: Tensor, from: number, count: number) => x.slice([0, from], [1, count]).dataSync();
    expect(part(cut.grad, 1, 2)).toBeAllClose(part(full.grad, 1, 2), { rtol: 1e-4, atol: 1e-7 });
    expect(part(cut.grad, 0, 1).every((g) => g === 0)).toBe(true);
    expect(part(full.grad, 0, 1).some((g) => g !== 0)).toBe(true);
  });

  test('no gradient at all, or more than there are latents', () => {
    const sum = (gradientLatents: number) => (x: Tensor) =>
      decode({ weights, config: small }, x, { gradientLatents }).sum().asScalar();
    expect(
      tf
        .valueAndGrad((x: Tensor) => tf.add(sum(0)(x), x.sum()).asScalar())(z)
        .grad.dataSync(),
    ).toEqual(tf.onesLike(z).dataSync());
    expect(sum(99)(z).dataSync()).toEqual(sum(3)(z).dataSync());
    expect(() => sum(-1)(z)).toThrow(/gradientLatents is -1/);
  });

  test('the posterior holds the mean that encode normalises, and a log-variance', () => {
    const video = input('video', [1, 5, 8, 8, 3]);
    const { mean, logVariance } = encodePosterior({ weights, config: small }, video);
    expect(logVariance.shape).toEqual([1, 2, 2, 2, 3]);
    const normalised = mean.sub(tf.tensor1d([...small.latents_mean])).div(tf.tensor1d([...small.latents_std]));
    expect(encode({ weights, config: small }, video).dataSync()).toBeAllClose(normalised.dataSync(), { atol: 1e-6 });
  });
});

describe('clips in pieces', () => {
  const weights = seeded(small);
  const z = input('z', [1, 4, 2, 3, 3]);
  const piece = (from: number, count: number) => z.slice([0, from], [1, count]);

  test('a stream decodes as the whole clip does and frees what it carried', async () => {
    const whole = decode({ weights, config: small }, z).dataSync();
    const pieces = [piece(0, 1), piece(1, 2), piece(3, 1)];
    const before = tf.memory().numTensors;
    const outputs: Tensor[] = [];
    for await (const video of decodeStream({ weights, config: small }, pieces)) outputs.push(video);
    expect(outputs.map((video) => video.shape[1])).toEqual([1, 8, 4]);
    expect(tf.memory().numTensors).toBe(before + outputs.length);
    expect(tf.concat(outputs, 1).dataSync()).toBeAllClose(whole, { atol: 1e-5 });
  });

  test('a stream that is left early frees what it carried', async () => {
    const before = tf.memory().numTensors;
    const pieces = [piece(0, 1), piece(1, 1), piece(2, 1)];
    for await (const video of decodeStream({ weights, config: small }, pieces)) {
      video.dispose();
      break;
    }
    expect(tf.memory().numTensors).toBe(before + pieces.length);
  });

  test('a state can be continued in two ways', () => {
    const { state } = decodeChunk({ weights, config: small }, piece(0, 2), null);
    const [a, b] = [piece(2, 1), piece(3, 1)].map((next) => decodeChunk({ weights, config: small }, next, state).video);
    const whole = (next: Tensor) =>
      decode({ weights, config: small }, tf.concat([piece(0, 2), next], 1)).slice([0, 5], [1, 4]);
    expect(a!.dataSync()).toBeAllClose(whole(piece(2, 1)).dataSync(), { atol: 1e-5 });
    expect(b!.dataSync()).toBeAllClose(whole(piece(3, 1)).dataSync(), { atol: 1e-5 });
  });

  test('a state that is consumed is gone, and the piece is the same', () => {
    const [kept, used] = [0, 1].map(() => decodeChunk({ weights, config: small }, piece(0, 2), null).state);
    const wanted = decodeChunk({ weights, config: small }, piece(2, 1), kept!).video;
    const before = tf.memory().numTensors;
    const { video, state } = decodeChunk({ weights, config: small }, piece(2, 1), used!, { consume: true });
    expect(video.dataSync()).toEqual(wanted.dataSync());
    expect(Object.values(used!).every(({ isDisposed }) => isDisposed)).toBe(true);
    expect(Object.values(kept!).some(({ isDisposed }) => isDisposed)).toBe(false);
    expect(tf.memory().numTensors).toBe(before + 2); // the piece's latents and pixels; one state for the other
    tf.dispose([video, state]);
  });

  test('large activations pass frame by frame, with the same numbers, states and gradients', () => {
    const layers = decoderLayers(small);
    const [joined, split] = [Number.POSITIVE_INFINITY, 1].map((large) => chunkRun(layers, weights, { large }));
    const twoPieces = (run: ChunkRun) => {
      const first = run(piece(0, 2), null, { keep: true, consume: false });
      return { first, second: run(piece(2, 2), first.state, { keep: true, consume: true }) };
    };
    const [a, b] = [twoPieces(joined!), twoPieces(split!)];
    expect(b.first.output.dataSync()).toBeAllClose(a.first.output.dataSync(), { atol: 1e-5 });
    expect(b.second.output.dataSync()).toBeAllClose(a.second.output.dataSync(), { atol: 1e-5 });
    expect(Object.keys(b.second.state).sort()).toEqual(Object.keys(a.second.state).sort());
    for (const [slot, tensor] of Object.entries(a.second.state)) {
      expect(b.second.state[slot]!.dataSync()).toBeAllClose(tensor.dataSync(), { atol: 1e-5 });
    }
    const loss = (run: ChunkRun) => (x: Tensor) =>
      run(x, null, { keep: false, consume: false }).output.square().sum().asScalar();
    const [whole, parts] = [joined!, split!].map((run) => tf.grad(loss(run))(piece(0, 2)));
    expect(parts!.dataSync()).toBeAllClose(whole!.dataSync(), { atol: 1e-5, rtol: 1e-4 });
  });

  test('video can be encoded in pieces', async () => {
    const video = input('video', [1, 9, 8, 8, 3]);
    const pieces = [video.slice([0, 0], [1, 1]), video.slice([0, 1], [1, 4]), video.slice([0, 5], [1, 4])];
    const latents: Tensor[] = [];
    for await (const part of encodeStream({ weights, config: small }, pieces)) latents.push(part);
    expect(tf.concat(latents, 1).dataSync()).toBeAllClose(encode({ weights, config: small }, video).dataSync(), {
      atol: 1e-5,
    });
  });

  test('encode and decode leave one tensor', () => {
    const video = input('video', [1, 5, 8, 8, 3]);
    const before = tf.memory().numTensors;
    const latents = encode({ weights, config: small }, video);
    decode({ weights, config: small }, latents).dispose();
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});

describe('mistakes are explained', () => {
  const weights = seeded(small);

  test.each([
    ['channels first', [1, 3, 5, 8, 8], /wanted \[B, F, H, W, 3\]/],
    ['a side that does not divide', [1, 5, 8, 10, 3], /multiples of the spatial stride 4/],
  ])('%s', (_, shape, message) => {
    expect(() => encode({ weights, config: small }, tf.zeros(shape))).toThrow(message);
  });

  test('latents of the wrong width', () => {
    expect(() => decode({ weights, config: small }, tf.zeros([1, 3, 2, 2, 4]))).toThrow(/z_dim = 3/);
  });

  test('a piece of the wrong length', () => {
    expect(() => encodeChunk({ weights, config: small }, tf.zeros([1, 4, 8, 8, 3]), null)).toThrow(/1 \+ k·4 frames/);
    expect(() => encodeChunk({ weights, config: small }, tf.zeros([1, 5, 8, 8, 3]), {})).toThrow(
      /a multiple of 4 frames/,
    );
  });

  test('no latents in a chunk', () => {
    expect(() => decode({ weights, config: small }, tf.zeros([1, 3, 2, 2, 3]), { latentsPerChunk: 0 })).toThrow(
      /latentsPerChunk is 0/,
    );
  });
});

describe('fresh weights', () => {
  test('follow from the key alone', async () => {
    const [a, b, c] = await Promise.all([1, 1, 2].map((seed) => vae.init(small, random.key(seed)).weights.toHost()));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  test('encode and decode to finite values of the right shapes', () => {
    const { weights } = vae.init(small, random.key(0));
    const video = input('video', [1, 9, 8, 8, 3]);
    const latents = encode({ weights, config: small }, video);
    expect(latents.shape).toEqual([1, 3, 2, 2, 3]);
    const again = decode({ weights, config: small }, latents);
    expect(again.shape).toEqual(video.shape);
    expect(again.dataSync().every(Number.isFinite)).toBe(true);
  });
});

describe('published numbers', () => {
  const statistics = {
    latents_mean: [-0.7571, -0.7089, -0.9113, 0.1075],
    latents_std: [2.8184, 1.4541, 2.3275, 2.6558],
  };
  const config = vaeConfig({ dim: 8, z_dim: 4, ...statistics });

  test('parameter counts', () => {
    expect(parameterCount(vaeShapes(vaeConfig()))).toBe(126_892_531);
    expect(vaeShapes(vaeConfig()).size).toBe(194);
    expect(parameterCount(vaeShapes(config))).toBe(892_127);
  });

  test('a network of hashed weights decodes to the reference values', () => {
    const weights = seeded(config);
    const z = input('z', [1, 4, 3, 2, 3]).transpose([0, 2, 3, 4, 1]);
    const video = decode({ weights, config }, z, { clamp: false }).transpose([0, 4, 1, 2, 3]);
    const values = video.dataSync();
    expect(values.slice(0, 4)).toBeAllClose([0.261937, 0.058017, -0.227457, -0.188622], { atol: 1e-5 });
    expect(values.at(-1)).toBeCloseTo(0.932646, 4);
    expect(video.mean().dataSync()[0]).toBeCloseTo(0.0800607, 5);
    const frame8 = video.slice([0, 0, 8], [1, 1, 1]).dataSync();
    expect(frame8.slice(0, 4)).toBeAllClose([-0.476209, -0.233219, 0.398347, 0.304097], { atol: 1e-5 });
  });

  test('and encodes to them', () => {
    const video = input('video', [1, 3, 9, 16, 24]).transpose([0, 2, 3, 4, 1]);
    const latents = encode({ weights: seeded(config), config }, video).transpose([0, 4, 1, 2, 3]);
    const values = latents.dataSync();
    expect(values.slice(0, 4)).toBeAllClose([0.282553, 0.300728, 0.265117, 0.235155], { atol: 1e-5 });
    expect(latents.mean().dataSync()[0]).toBeCloseTo(0.313516, 5);
  });
});
