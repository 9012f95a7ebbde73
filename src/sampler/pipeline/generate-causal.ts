import { type Tensor, tf } from '../../engine/tf.ts';
import { decodeStream } from '../../model/vae/index.ts';
import { random, type TorchGenerator, toTensor } from '../../nn/index.ts';
import { rollout } from '../causal/rollout.ts';
import { wanStudent } from '../causal/wan-student.ts';
import { denoisingSteps } from '../ode/few-step.ts';
import type { Schedule } from '../ode/schedule.ts';
import { checkMemory } from './memory-plan.ts';
import { causalLatentSize, type VideoRequest, type WanModel } from './request.ts';

/** How a causal student generates. */
export interface CausalRequest extends VideoRequest {
  /** Default Self-Forcing's: 1000, 750, 500, 250 warped with shift 5. */
  readonly schedule?: Schedule;
}

/**
 * Generates a video with a causal few-step student and yields the pixels [1, f, H, W, 3] in [-1, 1] of each block as
 * soon as it is decoded; they belong to the caller. With `local_attn_size` the cache rolls, so that a video may be
 * longer than those of the training. Initial noise and re-noising are drawn from one generator of PyTorch, in the
 * layout [B, F, C, H, W] of Self-Forcing (pipeline/causal_inference.py).
 *
 * @throws RangeError if size or frames do not fit the model, or the latent frames do not fall into blocks; MemoryError
 * before any work if the run would not fit into memory.
 * @example
 * for await (const frames of generateCausal(model, { prompt: 'A cat runs.', seed: 1 })) await show(frames);
 */
export async function* generateCausal(model: WanModel, request: CausalRequest): AsyncGenerator<Tensor, void, void> {
  const { schedule = denoisingSteps([1000, 750, 500, 250], { shift: 5 }), signal } = request;
  const { frames, height, width, channels } = causalLatentSize(model, request);
  checkMemory(model, { ...request, causal: true });
  const generator = random.torch(request.seed ?? 0);
  const context = await model.text.encode([request.prompt]);
  const student = wanStudent(model.dit, context);
  context.dispose();
  const noise = torchNoise(generator, [1, frames, height, width, channels]);
  const renoise = (_block: number, _step: number, shape: number[]): Tensor => torchNoise(generator, shape);
  try {
    const blocks = rollout(student, noise, { schedule, renoise, ...(signal && { signal }) });
    yield* decodeStream(model.vae, latentsOf(blocks));
  } finally {
    noise.dispose();
    student.dispose();
  }
}

/** Lends each block to the decoder and frees it afterwards. */
async function* latentsOf(blocks: AsyncIterable<{ x0: Tensor }>): AsyncGenerator<Tensor, void, void> {
  for await (const { x0 } of blocks) {
    try {
      yield x0;
    } finally {
      x0.dispose();
    }
  }
}

/** Noise of shape [B, F, H, W, C], drawn in the order of `torch.randn(B, F, C, H, W)`. */
function torchNoise(generator: TorchGenerator, shape: readonly number[]): Tensor {
  const [batch, frames, height, width, channels] = shape as [number, number, number, number, number];
  const drawn = generator.normal([batch, frames, channels, height, width]);
  return tf.tidy(() => tf.transpose(toTensor(drawn), [0, 1, 3, 4, 2])); // [B, F, C, H, W] -> [B, F, H, W, C]
}
