/** The one way to frames: prompts to clips, by teacher, distilled generator or causal student, at every scale. */
import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, joinClips } from '../../io/index.ts';
import { decode, decodeStream, encode } from '../../model/internal.ts';
import { rollout } from '../causal/rollout.ts';
import { causalStudent } from '../causal/student.ts';
import { paced } from '../ode/solver.ts';
import { textVelocity } from '../ode/velocity.ts';
import { checkMemory } from './memory-plan.ts';
import { type BatchNoise, keyNoise, torchNoise } from './noise.ts';
import { clipsOf, videoOf } from './pixels.ts';
import { type GenerateRequest, type GenerateStep, type Settled, settle, type VideoModel } from './request.ts';

/** Frames of one clip as they are done: a clip themselves. */
export interface GeneratedFrames extends Clip {
  /** Place of the prompt in the request. */
  readonly index: number;
  readonly prompt: string;
  /** Place of the first of these frames in the clip, which has `total`. */
  readonly start: number;
  readonly total: number;
}

/**
 * Generates a clip for each prompt and yields its frames, in [0, 1], as they are decoded: those of a causal student
 * block by block as they are generated (unless `joint`), those of other networks after the last step. Between steps timers
 * run and the signal is heard. Nothing needs to be disposed; leaving the loop stops the work.
 * Source: Wan2.1 wan/text2video.py, Self-Forcing pipeline/causal_inference.py.
 *
 * @throws RangeError or TypeError naming the option that does not fit; MemoryError before any work if the run would not
 * fit into memory; Error naming the first step, or the frames, that are not finite.
 * @example
 * for await (const frames of sampler.generate(wan, { prompt: 'A cat runs.', seed: 1 })) display(show.frames(frames));
 */
export async function* generate(
  model: VideoModel,
  request: GenerateRequest,
): AsyncGenerator<GeneratedFrames, void, void> {
  const settled = settle(model, request);
  if (settled.prompts.length === 0) throw new RangeError('prompts: wanted at least one, received none');
  checkMemory(model, request);
  for (let first = 0; first < settled.prompts.length; first += settled.batch) {
    request.signal?.throwIfAborted();
    const prompts = settled.prompts.slice(first, first + settled.batch);
    yield* generateBatch({ model, request, settled, first, prompts, noise: noiseOf(request, settled, first) });
  }
}

/**
 * All clips of {@link generate}, in the order of the prompts; `onFrames` sees their frames as they come.
 *
 * @example
 * const [clip] = await sampler.generateClips(wan, { prompt: 'A cat runs.', seed: 1 });
 * await io.writeVideo('cat.mp4', clip);
 */
export async function generateClips(
  model: VideoModel,
  request: GenerateRequest,
  { onFrames }: { onFrames?: (frames: GeneratedFrames) => void } = {},
): Promise<Clip[]> {
  const pieces: GeneratedFrames[][] = [];
  for await (const piece of generate(model, request)) {
    pieces[piece.index] ??= [];
    pieces[piece.index]!.push(piece);
    onFrames?.(piece);
  }
  return pieces.map(joinClips);
}

interface Batch {
  readonly model: VideoModel;
  readonly request: GenerateRequest;
  readonly settled: Settled;
  /** Place of the first prompt in the request. */
  readonly first: number;
  readonly prompts: readonly string[];
  readonly noise: BatchNoise;
}

/** A batch has a stream of its own, `batch` and the place of its first prompt. */
function noiseOf({ key, seed = 0 }: GenerateRequest, { causal, batch, prompts }: Settled, first: number): BatchNoise {
  if (key) return keyNoise(key.stream('batch').stream(first), causal);
  return torchNoise(seed, Math.min(batch, prompts.length - first), causal);
}

async function* generateBatch(batch: Batch): AsyncGenerator<GeneratedFrames, void, void> {
  const { fps, frames: total } = batch.settled;
  let start = 0;
  for await (const video of videos(batch)) {
    const clips = await clipsOf(video, fps, start).finally(() => video.dispose());
    for (const [row, clip] of clips.entries()) {
      yield { ...clip, index: batch.first + row, prompt: batch.prompts[row]!, start, total };
    }
    start += clips[0]!.frames;
  }
}

/** Pixels [B, f, H, W, 3] in [-1, 1] but not bounded to it, as they are decoded. */
async function* videos(batch: Batch): AsyncGenerator<Tensor, void, void> {
  const { model, settled, request } = batch;
  if (settled.causal && !settled.joint) {
    yield* decodeStream(model.decoder, causalLatents(batch), { clamp: false });
    return;
  }
  const latents = settled.causal ? await joined(causalLatents(batch)) : await denoised(batch);
  try {
    if (settled.joint) yield decode(model.decoder, latents, { clamp: false });
    else yield* decodeStream(model.decoder, frameByFrame(latents, request.signal), { clamp: false });
  } finally {
    latents.dispose();
  }
}

async function denoised(batch: Batch): Promise<Tensor> {
  const { model, settled, request, prompts, noise } = batch;
  const { solver, schedule, joint } = settled;
  const { signal } = request;
  const velocity = await textVelocity(model.net, model.text, prompts, { ...settled, jointGuidance: joint, signal });
  const x = initialNoise(batch);
  const steps = solver.steps(velocity, x, schedule, (step, shape) => noise.renoise(0, step, shape));
  try {
    const onStep = watch(batch);
    return await paced(steps, (step) => onStep({ ...step, block: 0, first: batch.first }), signal);
  } finally {
    x.dispose();
    velocity.dispose();
  }
}

/** Initial noise [B, F - given, H, W, C]. */
function initialNoise({ settled, request, prompts, noise, first }: Batch, given: number = 0): Tensor {
  const { frames, height, width, channels } = settled.latents;
  const shape = [prompts.length, frames - given, height, width, channels];
  if (!request.noise) return noise.initial(shape);
  return request.noise.slice([first], [prompts.length]);
}

/** Blocks of a causal student, the given ones first; each is lent until the next is asked for. */
async function* causalLatents(batch: Batch): AsyncGenerator<Tensor, void, void> {
  const { model, settled, request, prompts, noise, first } = batch;
  const { signal } = request;
  const prefix = prefixOf(batch);
  const context = await model.text.encode(prompts);
  const student = causalStudent(model.net, context);
  context.dispose();
  const x = initialNoise(batch, prefix?.shape[1]);
  const watched = watch(batch);
  try {
    if (prefix) yield prefix;
    const onStep = (step: Omit<GenerateStep, 'first'>) => watched({ ...step, first });
    const given = { ...(signal && { signal }), ...(prefix && { prefix }) };
    const options = { schedule: settled.schedule, renoise: noise.renoise, onStep, ...given };
    for await (const { x0 } of rollout(student, x, options)) {
      try {
        yield x0;
      } finally {
        x0.dispose();
      }
    }
  } finally {
    tf.dispose([x, ...(prefix ? [prefix] : [])]);
    student.dispose();
  }
}

/** Lent blocks as one tensor [B, F, H, W, C]. */
async function joined(blocks: AsyncIterable<Tensor>): Promise<Tensor> {
  const kept: Tensor[] = [];
  try {
    for await (const block of blocks) kept.push(block.clone());
    return tf.concat(kept, 1);
  } finally {
    tf.dispose(kept);
  }
}

/** Latents [B, f, H, W, C] that the clips begin with. */
function prefixOf({ model, settled, request, prompts, first }: Batch): Tensor | null {
  const { prefix } = request;
  if (!prefix) return null;
  const latents =
    'shape' in prefix
      ? prefix.slice([first], [prompts.length])
      : tf.tidy(() => encode(model.decoder, videoOf(prefix.slice(first, first + prompts.length), settled.size)));
  if (latents.shape[1]! < settled.latents.frames) return latents;
  const { frames } = settled.latents;
  latents.dispose();
  throw new RangeError(`prefix: holds all ${frames} latent frames of the clip; ask for more frames`);
}

/** Sees each step: it must be finite, and those who asked are shown it. */
function watch({ model, request, settled }: Batch): (step: GenerateStep) => Promise<void> {
  const { onStep, onPreview, previewEvery = 10 } = request;
  return async (step) => {
    await checkFinite(step, settled);
    await onStep?.(step);
    if (onPreview === undefined || step.index % previewEvery !== 0) return;
    const { index, steps, block, first } = step;
    const frame = tf.tidy(() => decode(model.decoder, step.x0.slice([0, 0], [-1, 1]), { clamp: false }));
    const clips = await clipsOf(frame, settled.fps).finally(() => frame.dispose());
    await onPreview({ index, steps, block, first, clips });
  };
}

/** A sum is finite if and only if all latents are: they are far from the largest float. */
async function checkFinite({ index, steps, block, sigma, next }: GenerateStep, { causal }: Settled): Promise<void> {
  const sum = tf.sum(next);
  const [value] = await sum.data().finally(() => sum.dispose());
  if (Number.isFinite(value)) return;
  const where = `step ${index + 1} of ${steps}${causal ? `, block ${block + 1}` : ''} (sigma ${sigma.toPrecision(3)})`;
  throw new Error(
    `${where} gives latents that are not finite: look for NaN in the weights (model.inspectWeights), the text states ` +
      'or the initial noise, and lower guidanceScale',
  );
}

/** The frames of latents [B, F, H, W, C] one after the other. */
async function* frameByFrame(latents: Tensor, signal?: AbortSignal): AsyncGenerator<Tensor, void, void> {
  for (let start = 0; start < latents.shape[1]!; start++) {
    signal?.throwIfAborted();
    const piece = latents.slice([0, start], [-1, 1]); // [B, 1, H, W, C]
    try {
      yield piece;
    } finally {
      piece.dispose();
    }
    await setImmediate();
  }
}
