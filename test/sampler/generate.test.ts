import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type OpenedWan, type OpenWanOptions, openWan, writeRandomWan } from '../../src/model/internal.ts';
import { random } from '../../src/nn/index.ts';
import { type GenerateRequest, generate, generateCausal, MemoryError } from '../../src/sampler/index.ts';

const base = { prompt: 'A cat runs.', seed: 3, size: [16, 8], frames: 5, steps: 4 } as const;
let folder = '';
let wan: OpenedWan;

beforeAll(async () => {
  await use('onnx');
  folder = await mkdtemp(join(tmpdir(), 'generate-'));
  await writeRandomWan(folder, random.key(1));
  wan = await openWan(folder);
});
afterAll(async () => {
  wan.dispose();
  await rm(folder, { recursive: true });
});

async function collect(pieces: AsyncIterable<Tensor>): Promise<Float32Array> {
  const all: number[] = [];
  for await (const piece of pieces) {
    all.push(...(await piece.data()));
    piece.dispose();
  }
  return Float32Array.from(all);
}

/** The video of a model opened in another way. */
async function opened(options: OpenWanOptions, request: GenerateRequest): Promise<Float32Array> {
  const other = await openWan(folder, options);
  const video = await collect(generate(other, request));
  other.dispose();
  return video;
}

test('an opened folder generates, the same for the same seed, with swapped blocks and cached prompts too', async () => {
  const before = tf.memory().numTensors;
  const video = await collect(generate(wan, base));
  expect(video).toHaveLength(5 * 8 * 16 * 3);
  expect(video.every((value) => value >= -1 && value <= 1)).toBe(true);
  expect(await collect(generate(wan, base))).toEqual(video);
  expect(await opened({ blocks: 'file' }, base)).toEqual(video);
  expect(await opened({ promptCache: null }, base)).toEqual(video);
  expect(await collect(generate(wan, { ...base, seed: 4 }))).not.toEqual(video);
  expect(await collect(generate(wan, { ...base, negativePrompt: '' }))).not.toEqual(video);
  expect(tf.memory().numTensors).toBe(before);
});

test('steps and previews are shown while timers run', async () => {
  const before = tf.memory().numTensors;
  let ticks = 0;
  const timer = setInterval(() => ticks++, 0);
  const [steps, shapes]: [number[], number[][]] = [[], []];
  const request: GenerateRequest = {
    ...base,
    previewEvery: 2,
    onStep: ({ index }) => void steps.push(index),
    onPreview: ({ frame }) => void shapes.push(frame.shape),
  };
  await collect(generate(wan, request));
  clearInterval(timer);
  expect(steps).toEqual([0, 1, 2, 3]);
  expect(shapes).toEqual([
    [1, 1, 8, 16, 3],
    [1, 1, 8, 16, 3],
  ]);
  expect(ticks).toBeGreaterThan(1);
  expect(tf.memory().numTensors).toBe(before);
});

describe('stopping', () => {
  const reason = new Error('enough');

  test.each([
    ['bidirectional', 2],
    ['causal', 1],
  ])('%s: the signal stops after the step, with its reason, and everything is freed', async (kind, at) => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const { signal } = controller;
    let seen = 0;
    const onStep = (): void => {
      if (++seen === at) controller.abort(reason);
    };
    setTimeout(onStep, 0); // the causal pipeline has no steps to see
    const run =
      kind === 'causal'
        ? generateCausal(wan, { ...base, frames: 13, signal })
        : generate(wan, { ...base, signal, onStep });
    await expect(collect(run)).rejects.toBe(reason);
    expect(seen).toBeLessThan(4);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a signal that is set before stops at once', async () => {
    await expect(collect(generate(wan, { ...base, signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
    await expect(collect(generateCausal(wan, { ...base, signal: AbortSignal.abort(reason) }))).rejects.toBe(reason);
  });
});

describe('requests that cannot be served', () => {
  test.each<[Partial<GenerateRequest>, RegExp]>([
    [{ size: [15, 8] }, /width that is a multiple of 4/],
    [{ size: [16, 0] }, /height that is a multiple of 4/],
    [{ frames: 4 }, /1 \+ a multiple of 2/],
    [{ frames: 0 }, /1 \+ a multiple of 2/],
    [{ frames: 4097 }, /at most 2047/],
    [{ steps: 0 }, /steps must be a whole number >= 1/],
    [{ shift: -1 }, /shift must be above 0/],
    [{ guidanceScale: -1 }, /guidanceScale: wanted a number of at least 0.*received -1/],
    [{ guidanceScale: Number.NaN }, /guidanceScale.*received NaN/],
    [{ solver: 'euler' as 'unipc' }, /solver: wanted unipc or dpm\+\+, received "euler"/],
    [{ seed: 0.5 }, /seed: wanted a whole number/],
  ])('%j is refused before any work', async (part, message) => {
    await expect(collect(generate(wan, { ...base, ...part }))).rejects.toThrow(message);
  });

  test('too little memory is refused with advice', async () => {
    const run = collect(generate(wan, { ...base, memoryLimit: 1000 }));
    await expect(run).rejects.toThrow(MemoryError);
    await expect(collect(generateCausal(wan, { ...base, memoryLimit: 1000 }))).rejects.toThrow(/more memory/);
  });
});

test.each(['', ' \n ', '一只猫在跑', 'قطة', '🐈‍⬛', 'word '.repeat(3000)])(
  'prompt %# of any script and length works',
  async (prompt) => {
    const video = await collect(generate(wan, { ...base, prompt, steps: 1, frames: 1 }));
    expect(video.every(Number.isFinite)).toBe(true);
  },
);
