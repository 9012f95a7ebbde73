import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import type { Clip } from '../../src/io/index.ts';
import { type OpenedWan, type OpenWanOptions, openWan } from '../../src/model/wan-folder/open-wan.ts';
import { writeRandomWan } from '../../src/model/wan-folder/random-wan.ts';
import { random } from '../../src/nn/index.ts';
import { defaultNegativePrompt, settle } from '../../src/sampler/generate/request.ts';
import {
  dpmSolver,
  euler,
  fewStep,
  flowSchedule,
  type GenerateRequest,
  generate,
  generateClips,
  heun,
  MemoryError,
  uniPC,
  type VideoModel,
} from '../../src/sampler/index.ts';
import { type TinyModel, tinyModel } from './tiny-model.ts';

const base = { prompt: 'A cat runs.', seed: 3, size: [16, 8], frames: 5, steps: 4 } as const;
const causal = { causal: true, prompt: 'a red ball', seed: 7, size: [8, 8], frames: 7 } as const;
let folder = '';
let wan: OpenedWan;
let tiny: TinyModel;

beforeAll(async () => {
  await use('onnx');
  folder = await mkdtemp(join(tmpdir(), 'generate-'));
  await writeRandomWan(folder, random.key(1));
  wan = await openWan(folder);
  tiny = tinyModel({ local_attn_size: 2 });
});
afterAll(async () => {
  wan.dispose();
  await rm(folder, { recursive: true });
});

async function only(model: VideoModel, request: GenerateRequest): Promise<Clip> {
  const clips = await generateClips(model, request);
  expect(clips).toHaveLength(1);
  return clips[0]!;
}

/** The video of a model opened in another way. */
async function opened(options: OpenWanOptions, request: GenerateRequest): Promise<Clip> {
  const other = await openWan(folder, options);
  const video = await only(other, request);
  other.dispose();
  return video;
}

describe('an official folder', () => {
  test('generates, the same for the same seed, with swapped blocks and cached prompts too', async () => {
    const before = tf.memory().numTensors;
    const video = await only(wan, base);
    expect(video).toMatchObject({ frames: 5, height: 8, width: 16, fps: 16 });
    expect(video.data.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(await only(wan, base)).toEqual(video);
    expect(await opened({ blocks: 'file' }, base)).toEqual(video);
    expect(await opened({ promptCache: null }, base)).toEqual(video);
    expect(await only(wan, { ...base, seed: 4 })).not.toEqual(video);
    expect(await only(wan, { ...base, negativePrompt: '' })).not.toEqual(video);
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([uniPC, dpmSolver, euler, heun])('is sampled by any solver: $id', async (solver) => {
    const video = await only(wan, { ...base, solver, shift: 3 });
    expect(video.data.every(Number.isFinite)).toBe(true);
    if (solver !== uniPC) expect(video).not.toEqual(await only(wan, { ...base, shift: 3 }));
  });

  test('guidance in one pass is that in two but for rounding', async () => {
    const [apart, joint] = [await only(wan, base), await only(wan, { ...base, joint: true })];
    expect(joint.data).toBeAllClose(apart.data, { atol: 1e-4 });
  });

  test.each(['', ' \n ', '一只猫在跑', 'قطة', '🐈‍⬛', 'word '.repeat(3000)])(
    'prompt %# of any script and length works',
    async (prompt) => {
      const video = await only(wan, { ...base, prompt, steps: 1, frames: 1 });
      expect(video.data.every(Number.isFinite)).toBe(true);
    },
  );
});

describe('several prompts', () => {
  const prompts = ['a', 'b', 'c'];

  test('with a seed each gets the clip that it gets alone, however they are batched', async () => {
    const { prompt: _, ...rest } = base;
    const clips = await generateClips(tiny, { ...rest, prompts });
    for (const [i, prompt] of prompts.entries()) expect(clips[i]).toEqual(await only(tiny, { ...rest, prompt }));
    const batched = await generateClips(tiny, { ...rest, prompts, batch: 2 });
    for (const [i, { data }] of batched.entries()) expect(data).toBeAllClose(clips[i]!.data, { atol: 1e-4 });
  });

  test('with a key each has noise of its own, the same for the same key', async () => {
    const request = { size: [8, 8], frames: 3, steps: 2, prompts: ['a', 'a'], key: random.key(1) } as const;
    const clips = await generateClips(tiny, request);
    expect(clips[0]).not.toEqual(clips[1]);
    expect(await generateClips(tiny, request)).toEqual(clips);
  });

  test('frames say which prompt they belong to and where they stand', async () => {
    const seen: (string | number)[][] = [];
    for await (const { index, prompt, start, frames, total } of generate(tiny, {
      ...{ causal: true, prompts, size: [8, 8], frames: 5, key: random.key(1), batch: 2 },
    })) {
      seen.push([index, prompt, start, frames, total]);
    }
    const rows = (index: number, start: number, frames: number) => [index, prompts[index]!, start, frames, 5];
    const blocks: [number, number][] = [
      [0, 1],
      [1, 2],
      [3, 2],
    ];
    expect(seen).toEqual([
      ...blocks.flatMap(([start, frames]) => [rows(0, start, frames), rows(1, start, frames)]),
      ...blocks.map(([start, frames]) => rows(2, start, frames)),
    ]);
  });
});

describe('a causal student', () => {
  async function pieces(request: GenerateRequest): Promise<Float32Array[]> {
    const all: Float32Array[] = [];
    for await (const { data } of generate(tiny, request)) all.push(data);
    return all;
  }

  test('yields block by block beyond the attention window, the same for the same seed', async () => {
    const before = tf.memory().numTensors;
    const first = await pieces(causal);
    expect(first.map((piece) => piece.length)).toEqual([1, 2, 2, 2].map((count) => count * 8 * 8 * 3));
    expect(await pieces(causal)).toEqual(first);
    expect(await pieces({ ...causal, seed: 8 })).not.toEqual(first);
    expect(await pieces({ ...causal, prompt: 'a blue ball' })).not.toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('one frame is a video too', async () => {
    expect((await pieces({ ...causal, frames: 1 })).map(({ length }) => length)).toEqual([8 * 8 * 3]);
  });

  test('frees everything when the caller leaves early', async () => {
    const before = tf.memory().numTensors;
    for await (const _ of generate(tiny, causal)) break;
    expect(tf.memory().numTensors).toBe(before);
  });

  test('goes on from given frames, as clips or as latents', async () => {
    const before = tf.memory().numTensors;
    const start = (await generateClips(tiny, { ...causal, frames: 3 })).map((clip) => ({ ...clip, fps: 8 }));
    const [longer] = await generateClips(tiny, { ...causal, prefix: start });
    const [other] = await generateClips(tiny, { ...causal, prefix: start, seed: 8 });
    expect(longer).toMatchObject({ frames: 7, fps: 16 });
    const given = 3 * 8 * 8 * 3;
    expect(other!.data.subarray(0, given)).toEqual(longer!.data.subarray(0, given));
    expect(other!.data.subarray(given)).not.toEqual(longer!.data.subarray(given));
    const latents = tf.ones([1, 2, 4, 4, 4]);
    expect((await generateClips(tiny, { ...causal, prefix: latents }))[0]).toMatchObject({ frames: 7 });
    await expect(generateClips(tiny, { ...causal, frames: 3, prefix: latents })).rejects.toThrow(/ask for more frames/);
    latents.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('frames that leave a block incomplete are refused with the nearest that do not, before any work', async () => {
    const net = tiny.net.with({ num_frame_per_block: 3 });
    const run = generate({ ...tiny, net }, { ...causal, frames: 9 });
    await expect(run.next()).rejects.toThrow(/5 latent frames do not fall into blocks of 3; ask for 5 or 11 frames/);
  });
});

test.each([
  ['a teacher', base, [0, 1, 2, 3]],
  ['a causal student', { ...causal, frames: 3 }, [0, 1, 2, 3, 0, 1, 2, 3]],
] as const)('steps and previews of %s are shown while timers run', async (_, request, indices) => {
  const before = tf.memory().numTensors;
  let ticks = 0;
  const timer = setInterval(() => ticks++, 0);
  const [steps, previews]: [number[], unknown[]] = [[], []];
  await generateClips(tiny, {
    ...request,
    previewEvery: 2,
    onStep: ({ index }) => void steps.push(index),
    onPreview: ({ index, clips }) => void previews.push([index, clips.map(({ frames, width }) => [frames, width])]),
  });
  clearInterval(timer);
  expect(steps).toEqual(indices);
  const [width] = request.size;
  expect(previews).toEqual(indices.filter((index) => index % 2 === 0).map((index) => [index, [[1, width]]]));
  expect(ticks).toBeGreaterThan(1);
  expect(tf.memory().numTensors).toBe(before);
});

describe('stopping', () => {
  const reason = new Error('stopped by hand');

  test.each([base, { ...causal, frames: 13 }])(
    'ends after the step that runs, and nothing stays (%#)',
    async (request) => {
      const before = tf.memory().numTensors;
      const controller = new AbortController();
      let seen = 0;
      const onStep = (): void => {
        if (++seen === 2) controller.abort(reason);
      };
      await expect(generateClips(tiny, { ...request, onStep, signal: controller.signal })).rejects.toBe(reason);
      expect(seen).toBe(2);
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  test('a signal that is set before stops at once', async () => {
    const signal = AbortSignal.abort(reason);
    await expect(generateClips(wan, { ...base, signal })).rejects.toBe(reason);
    await expect(generateClips(tiny, { ...causal, signal })).rejects.toBe(reason);
  });
});

describe('what is not finite', () => {
  test('ends at its first step, which is named', async () => {
    const before = tf.memory().numTensors;
    const text = {
      encode: (prompts: readonly string[]) => tf.tidy(() => tiny.text.encode(prompts).mul(Number.NaN)),
    };
    await expect(generateClips({ ...tiny, text }, base)).rejects.toThrow(/^step 1 of 4 \(sigma 1\.00\) gives latents/);
    await expect(generateClips({ ...tiny, text }, causal)).rejects.toThrow(/^step 1 of 4, block 1 \(sigma 1\.00\)/);
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each([base, causal])('in decoding ends at its first frame (%#)', async (request) => {
    const decoder = tiny.decoder.clone();
    const bias = decoder.weights.variable('decoder.head.2.bias');
    bias.assign(tf.fill(bias.shape, Number.NaN) as never);
    const before = tf.memory().numTensors;
    await expect(generateClips({ ...tiny, decoder }, request)).rejects.toThrow(/^frame 0 is not finite/);
    expect(tf.memory().numTensors).toBe(before);
    decoder.dispose();
  });
});

describe('settings', () => {
  test('are taken from the request, then from the model, then from Wan', () => {
    const defaults = { guidanceScale: 4, steps: 8, fps: 8, solver: euler };
    const { prompt: _, ...request } = base;
    expect(settle({ ...tiny, defaults }, request)).toMatchObject({ guidanceScale: 4, steps: 4, fps: 8, shift: 8 });
    const small = settle({ ...tiny, defaults }, request);
    expect(small.schedule).toEqual(flowSchedule({ steps: 4, shift: 8 }));
    expect(settle(tiny, request)).toMatchObject({ guidanceScale: 6, negativePrompt: defaultNegativePrompt });
    const large = { net: { config: { ...tiny.net.config, dim: 5120 } }, decoder: tiny.decoder };
    expect(settle(large, request)).toMatchObject({ guidanceScale: 5, shift: 5 }); // 14B, as Wan's generate.py
    expect(settle(tiny, causal)).toMatchObject({ guidanceScale: 1, shift: 5, solver: fewStep });
    expect(settle({ ...tiny, defaults: { causal: true } }, request).causal).toBe(true);
  });

  test('a schedule of the model is taken unless the request has its own', () => {
    const schedule = flowSchedule({ steps: 2, shift: 1 });
    const model = { ...tiny, defaults: { schedule } };
    const { size, frames } = base;
    expect(settle(model, { size, frames }).schedule).toBe(schedule);
    expect(settle(model, { size, frames, steps: 5 }).schedule.timesteps).toHaveLength(5);
  });

  test.each<[Partial<GenerateRequest>, RegExp]>([
    [{ size: [15, 8] }, /size: wanted a width that is a multiple of 4/],
    [{ size: [16, 0] }, /size: wanted a height that is a multiple of 4/],
    [{ frames: 4 }, /frames: wanted 1 \+ a multiple of 2/],
    [{ frames: 0 }, /frames: wanted 1 \+ a multiple of 2/],
    [{ frames: 4097 }, /frames: wanted at most 2047/],
    [{ steps: 0 }, /steps: wanted a whole number >= 1/],
    [{ shift: -1 }, /shift: wanted a number above 0/],
    [{ guidanceScale: -1 }, /guidanceScale: wanted a number of at least 0.*received -1/],
    [{ guidanceScale: Number.NaN }, /guidanceScale.*received NaN/],
    [{ solver: 'euler' as never }, /solver: wanted one such as sampler\.uniPC.*received euler/],
    [{ seed: 0.5 }, /seed: wanted a whole number/],
    [{ batch: 0 }, /batch: wanted a whole number >= 1, received 0/],
    [{ fps: Number.NaN }, /fps: wanted a number > 0, received NaN/],
    [{ prompts: ['b'] }, /prompt and prompts: wanted one of them/],
    [{ key: random.key(1) }, /seed and key: wanted one of them/],
    [{ guidanceScale: 1, negativePrompt: 'bad' }, /negativePrompt: has no effect at guidanceScale 1/],
    [{ schedule: flowSchedule({ steps: 4, shift: 1 }) }, /steps, shift: have no effect beside a schedule/],
    [{ prefix: [] }, /prefix: only a causal network/],
    [{ previewEvery: 2 }, /previewEvery: has no effect without onPreview/],
    [{ previewEvery: 0, onPreview: () => undefined }, /previewEvery: wanted a whole number >= 1/],
    [{ causal: true, guidanceScale: 6 }, /guidanceScale: a causal student runs without guidance/],
    [{ causal: true, solver: euler }, /solver: a causal student is sampled by sampler\.fewStep, received euler/],
    [{ causal: true, prefix: [] }, /prefix: wanted a clip for each of 1 prompts, received 0/],
  ])('%j is refused before any work', async (part, message) => {
    await expect(generateClips(wan, { ...base, ...part })).rejects.toThrow(message);
  });

  test('a request without prompts is refused', async () => {
    const { prompt: _, ...rest } = base;
    await expect(generateClips(wan, rest)).rejects.toThrow('prompts: wanted at least one, received none');
    await expect(generateClips(wan, { ...rest, prompts: [] })).rejects.toThrow('received none');
    await expect(generateClips(wan, { ...rest, prompts: [3 as never] })).rejects.toThrow('prompts: wanted texts');
  });

  test('too little memory is refused with advice', async () => {
    const run = generateClips(wan, { ...base, memoryLimit: 1000 });
    await expect(run).rejects.toThrow(MemoryError);
    const { steps: _, ...few } = base;
    await expect(generateClips(wan, { ...few, causal: true, memoryLimit: 1000 })).rejects.toThrow(/more memory/);
  });
});
