/** Packed pixels as Wan2.2's VAE takes them, and a VAE of pictures as the start of one of clips. */
import { describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { decode, encode, vae, vaeConfig, vaeStrides } from '../../../src/model/internal.ts';
import { inflate, patchify, unpatchify } from '../../../src/model/vae/pictures.ts';
import { decodeChunk } from '../../../src/model/vae/stream.ts';
import { random } from '../../../src/nn/index.ts';
import { hashed } from '../hashed.ts';

const config = vaeConfig({
  patch_size: 2,
  kernel_frames: 1,
  dim: 4,
  z_dim: 3,
  dim_mult: [1, 2],
  num_res_blocks: 1,
  temperal_downsample: [false],
  latents_mean: [0.1, -0.2, 0.3],
  latents_std: [1.5, 0.5, 2],
});
const frames = 4;

await use('cpu');

const video = tf.tensor(hashed('video', [2, frames, 8, 12, 3]), [2, frames, 8, 12, 3]);
const frame = (x: Tensor, index: number): Tensor => x.slice([0, index], [-1, 1]);

describe('packed pixels', () => {
  test('stand in the order of the reference: colour, then column, then row', () => {
    const packed = patchify(config, video);
    expect(packed.shape).toEqual([2, frames, 4, 6, 12]);
    const [pixels, squares] = [video.arraySync(), packed.arraySync()] as number[][][][][][];
    for (const [row, column, colour] of [
      [0, 0, 0],
      [1, 0, 2],
      [0, 1, 1],
      [1, 1, 2],
    ] as const) {
      expect(squares![1]![2]![3]![5]![(colour * 2 + column) * 2 + row]).toBe(
        pixels![1]![2]![6 + row]![10 + column]![colour],
      );
    }
    expect(unpatchify(config, packed).dataSync()).toEqual(video.dataSync());
  });

  test('multiply the stride', () => {
    expect(vaeStrides(config)).toEqual({ time: 1, space: 4 });
    const net = vae.init(config, random.key(1));
    expect(encode(net, video).shape).toEqual([2, frames, 2, 3, 3]);
    expect(() => encode(net, tf.zeros([1, 1, 6, 8, 3]))).toThrow('multiples of the spatial stride 4');
    net.dispose();
  });

  test('a piece of latents becomes pixels, too', () => {
    const net = vae.init(config, random.key(1));
    const latents = encode(net, video);
    const { video: decoded, state } = decodeChunk(net, latents, null);
    expect(decoded.dataSync()).toEqual(decode(net, latents).dataSync());
    expect(Object.keys(state)).toEqual([]);
    net.dispose();
  });
});

describe('a VAE of pictures', () => {
  test('codes each frame as if it were alone', () => {
    const net = vae.init(config, random.key(1));
    const latents = encode(net, video);
    const pixels = decode(net, latents);
    for (let i = 0; i < frames; i++) {
      const alone = encode(net, frame(video, i));
      expect(alone.dataSync()).toEqual(frame(latents, i).dataSync());
      expect(decode(net, alone).dataSync()).toEqual(frame(pixels, i).dataSync());
    }
    net.dispose();
  });

  test('inflated in time, with zeros for the past, codes clips exactly as it coded frames', () => {
    const before = tf.memory().numTensors;
    const pictures = vae.init(config, random.key(1));
    const clips = inflate(pictures);
    expect(clips.config).not.toHaveProperty('kernel_frames');
    expect(clips.weights.get('encoder.conv1.weight').shape).toEqual([4, 12, 3, 3, 3]);
    tf.tidy(() => {
      const latents = encode(pictures, video);
      expect(encode(clips, video).dataSync()).toEqual(latents.dataSync());
      expect(decode(clips, latents).dataSync()).toEqual(decode(pictures, latents).dataSync());
    });
    clips.dispose();
    expect(pictures.weights.get('encoder.conv1.weight').shape).toEqual([4, 12, 1, 3, 3]);
    pictures.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('the inflated one learns from the past', () => {
    const pictures = vae.init(config, random.key(1));
    const clips = inflate(pictures);
    const { grads } = tf.variableGrads(
      () => decode(clips, encode(clips, video), { clamp: false }).square().mean().asScalar(),
      [clips.weights.variable('encoder.conv1.weight')],
    );
    const [gradient] = Object.values(grads);
    const past = gradient!.slice([0, 0, 0], [-1, -1, 2]).abs().max().dataSync()[0]!;
    expect(past).toBeGreaterThan(0);
    for (const net of [pictures, clips]) net.dispose();
  });

  test('cannot halve time, and is inflated once', () => {
    expect(() => vaeConfig({ ...config, temperal_downsample: [true] })).toThrow('no level can halve time');
    expect(() => vaeConfig({ ...config, kernel_frames: 2 as 3 })).toThrow('kernel_frames holds 2');
    const pictures = vae.init(config, random.key(1));
    const clips = inflate(pictures);
    expect(() => inflate(clips)).toThrow('wanted a net with kernel_frames 1, received 3');
    for (const net of [pictures, clips]) net.dispose();
  });
});
