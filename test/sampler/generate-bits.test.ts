/** What a seed or a key gives, against the loops written out: the same bits on every engine. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { createCrossAttnCache, decode, decodeStream, wanForward } from '../../src/model/internal.ts';
import { type Key, random, type TorchGenerator, toTensor } from '../../src/nn/index.ts';
import {
  causalStudent,
  denoisingSteps,
  dpmSolver,
  euler,
  fewStep,
  flowSchedule,
  type GenerateRequest,
  generateClips,
  rolloutLatents,
  seededNoise,
  uniPC,
} from '../../src/sampler/index.ts';
import { dpmSchedule, uniPCSchedule } from '../../src/sampler/ode/schedule.ts';
import { guide } from '../../src/sampler/ode/velocity.ts';
import { type TinyModel, tinyModel } from './tiny-model.ts';

const size = [8, 12] as const;
const frames = 5;
const latent = [3, 6, 4, 4] as const; // F, h, w, C
const schedule = denoisingSteps([1000, 750, 500, 250], { shift: 3 });

/** Pixels in [0, 1] of latents decoded together. */
async function wholeClips({ decoder }: TinyModel, latents: Tensor): Promise<Float32Array[]> {
  const pixels = tf.tidy(() => tf.mul(tf.add(decode(decoder, latents), 1), 0.5));
  return rowsOf(pixels);
}

/** Pixels in [0, 1] of latents decoded one after the other. */
async function streamedClips({ decoder }: TinyModel, latents: Tensor): Promise<Float32Array[]> {
  const pieces: Tensor[] = [];
  for await (const piece of decodeStream(decoder, tf.split(latents, latents.shape[1]!, 1))) pieces.push(piece);
  return rowsOf(tf.tidy(() => tf.mul(tf.add(tf.concat(pieces, 1), 1), 0.5)));
}

async function rowsOf(pixels: Tensor): Promise<Float32Array[]> {
  return Promise.all(tf.unstack(pixels).map((row) => row.data<'float32'>()));
}

/** A batch with a key: noise, text and sampling as the small scale has always had them. */
async function keyed(
  model: TinyModel,
  { prompts, key, at }: { prompts: readonly string[]; key: Key; at: number },
  sample: (given: { x: Tensor; context: Tensor; stream: Key }) => Tensor | Promise<Tensor>,
): Promise<Float32Array[]> {
  const stream = key.stream('batch').stream(at);
  const x = toTensor(stream.stream('noise').normal([prompts.length, ...latent]));
  return wholeClips(model, await sample({ x, context: model.text.encode(prompts), stream }));
}

function torch(generator: TorchGenerator, shape: readonly number[], axes: number[]): Tensor {
  return tf.transpose(toTensor(generator.normal([...shape])), axes);
}

describe.each(['cpu', 'onnx'] as const)('on %s', (engine) => {
  const prompts = ['a', 'b', 'c'];
  const key = random.key(11);
  let model: TinyModel;

  beforeAll(async () => {
    await use(engine);
    model = tinyModel();
  });
  afterAll(() => {
    model.net.dispose();
    model.decoder.dispose();
  });

  const made = async (request: GenerateRequest): Promise<Float32Array[]> =>
    (await generateClips(model, { size, frames, ...request })).map(({ data }) => data);

  test('teacher, key: guidance in one pass of twice the batch, batches with streams of their own', async () => {
    const teacher = ({ x, context }: { x: Tensor; context: Tensor }): Tensor =>
      euler(
        (sample, t) => {
          const both = { x: tf.concat([sample, sample]), context: tf.concat([context, tf.zerosLike(context)]) };
          const [c, u] = tf.split(wanForward(model.net, { ...both, t: tf.fill([2 * x.shape[0]!], t) }), 2);
          return guide(c!, u!, 4);
        },
        x,
        flowSchedule({ steps: 3, shift: 3 }),
      );
    const wanted = [
      ...(await keyed(model, { prompts: ['a', 'b'], key, at: 0 }, teacher)),
      ...(await keyed(model, { prompts: ['c'], key, at: 2 }, teacher)),
    ];
    const settings = { solver: euler, steps: 3, shift: 3, guidanceScale: 4, negativePrompt: null };
    expect(await made({ ...settings, prompts, key, joint: true, batch: 2 })).toEqual(wanted);
  });

  test('distilled generator, key', async () => {
    const wanted = await keyed(model, { prompts, key, at: 0 }, ({ x, context, stream }) =>
      fewStep((sample, t) => wanForward(model.net, { x: sample, t: tf.fill([3], t), context }), x, schedule, {
        noise: (index, shape) => toTensor(stream.stream('renoise').stream(index).normal(shape)),
      }),
    );
    const settings = { solver: fewStep, schedule, guidanceScale: 1, joint: true, batch: 32 };
    expect(await made({ ...settings, prompts, key })).toEqual(wanted);
  });

  test('causal student, key', async () => {
    const wanted = await keyed(model, { prompts, key, at: 0 }, ({ x, context, stream }) =>
      rolloutLatents(causalStudent(model.net, context), x, {
        schedule,
        renoise: seededNoise(stream.stream('renoise')),
      }),
    );
    expect(await made({ causal: true, schedule, prompts, key, joint: true, batch: 32 })).toEqual(wanted);
  });

  test.each([
    ['unipc', uniPC, uniPCSchedule],
    ['dpm++', dpmSolver, dpmSchedule],
  ] as const)('teacher, seed, %s: guidance in two passes, noise as Wan draws it', async (_, solver, grid) => {
    const [frameCount, height, width, channels] = latent;
    const x = torch(random.torch(5), [channels, frameCount, height, width], [1, 2, 3, 0]).expandDims(0);
    const [c, u] = ['a', 'bad'].map((text) => createCrossAttnCache(model.net, model.text.encode([text])));
    const latents = solver(
      (sample, t) => {
        const [to, from] = [c!, u!].map((context) => wanForward(model.net, { x: sample, t, context }));
        return guide(to!, from!, 6);
      },
      x,
      grid({ steps: 4, shift: 8 }),
    );
    const request = { prompt: 'a', negativePrompt: 'bad', seed: 5, solver, steps: 4, guidanceScale: 6, shift: 8 };
    expect(await made(request)).toEqual(await streamedClips(model, latents));
  });

  test('causal student, seed: one generator for all noise, as Self-Forcing draws it', async () => {
    const [frameCount, height, width, channels] = latent;
    const generator = random.torch(7);
    const draw = (count: number): Tensor => torch(generator, [1, count, channels, height, width], [0, 1, 3, 4, 2]);
    const x = draw(frameCount);
    const latents = await rolloutLatents(causalStudent(model.net, model.text.encode(['a'])), x, {
      schedule: denoisingSteps([1000, 750, 500, 250], { shift: 5 }),
      renoise: (_block, _step, shape) => draw(shape[1]!),
    });
    expect(await made({ causal: true, prompt: 'a', seed: 7 })).toEqual(await streamedClips(model, latents));
  });
});
