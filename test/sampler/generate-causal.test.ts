import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { vae, wan, wanConfig, wanPresets } from '../../src/model/index.ts';
import { random, toTensor } from '../../src/nn/index.ts';
import { type CausalRequest, generateCausal, latentSize, type WanModel } from '../../src/sampler/index.ts';

const autoencoder = vae.vaePresets.tiny; // strides: 2 in time, 2 in space
const base = { prompt: 'a red ball', seed: 7, size: [8, 8], frames: 7 } as const;
let model: WanModel;

beforeAll(async () => {
  await use('cpu');
  model = modelWith({ local_attn_size: 2 });
});

function modelWith(causal: { local_attn_size: number }): WanModel {
  const config = wanConfig({ ...wanPresets.tiny, ...causal });
  const key = random.key(3);
  const dit = wan.init(config, key.stream('dit')).weights;
  dit.get('head.head.weight').assign(toTensor(key.stream('head').normal([16, config.dim])) as never); // 0 at the start
  return {
    dit: { weights: dit, config },
    vae: { weights: vae.vae.init(autoencoder, key.stream('vae')).weights, config: autoencoder },
    text: { encode: (captions) => toTensor(random.key(captions.join()).normal([1, 3, config.text_dim])) },
  };
}

async function frames(request: CausalRequest): Promise<Float32Array[]> {
  const pieces: Float32Array[] = [];
  for await (const piece of generateCausal(model, request)) {
    expect([1, 2]).toContain(piece.shape[1]);
    pieces.push((await piece.data()) as Float32Array);
    piece.dispose();
  }
  return pieces;
}

describe('generateCausal', () => {
  test('yields block by block beyond the attention window, the same for the same seed', async () => {
    const before = tf.memory().numTensors;
    const first = await frames(base);
    expect(first.map((piece) => piece.length)).toEqual([1, 2, 2, 2].map((count) => count * 8 * 8 * 3));
    expect(await frames(base)).toEqual(first);
    expect(await frames({ ...base, seed: 8 })).not.toEqual(first);
    expect(await frames({ ...base, prompt: 'a blue ball' })).not.toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('one frame is a video too', async () => {
    const [only] = await frames({ ...base, frames: 1 });
    expect(only).toHaveLength(8 * 8 * 3);
    expect(only?.every(Number.isFinite)).toBe(true);
  });

  test('frees everything when the caller leaves early', async () => {
    const before = tf.memory().numTensors;
    for await (const piece of generateCausal(model, base)) {
      (piece as Tensor).dispose();
      break;
    }
    expect(tf.memory().numTensors).toBe(before);
  });
});

test.each([
  [{ size: [9, 8] as const }, /width that is a multiple of 4/],
  [{ size: [8, 2] as const }, /height that is a multiple of 4/],
  [{ frames: 6 }, /1 \+ a multiple of 2/],
  [{ frames: 2 * 1024 + 1 }, /at most 2047/],
])('%j is refused', (part, message) => {
  expect(() => latentSize(model, { ...base, ...part })).toThrow(message);
});

test('frames that leave a block incomplete are refused with the nearest that do not, before any work', async () => {
  const blocks = { dit: { config: wanConfig({ ...wanPresets.tiny, num_frame_per_block: 3 }) } };
  const run = generateCausal({ ...model, ...blocks } as WanModel, { ...base, frames: 9 });
  await expect(run.next()).rejects.toThrow(/5 latent frames do not fall into blocks of 3; ask for 5 or 11 frames/);
});
