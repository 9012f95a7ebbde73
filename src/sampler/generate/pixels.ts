/** Between the pixels of networks, tensors in [-1, 1], and clips, host values in [0, 1]. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, createClip, fromSigned } from '../../io/index.ts';
import { decode, type VaeConfig } from '../../model/internal.ts';
import type { Part } from '../../nn/index.ts';

/** The clips of pixels [B, f, H, W, 3], bounded to [-1, 1] as the references do; errors name frames from `start` on. */
export async function clipsOf(video: Tensor, fps: number, start: number = 0): Promise<Clip[]> {
  const [count, frames, height, width] = video.shape as [number, number, number, number, number];
  const data = await video.data<'float32'>();
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => {
    const values = data.subarray(i * size, (i + 1) * size);
    checkFinite(values, start, frames);
    const bounded = values.map((value) => Math.min(1, Math.max(-1, value)));
    return createClip(fromSigned(bounded), { frames, height, width, fps });
  });
}

function checkFinite(values: Float32Array, start: number, frames: number): void {
  let sum = 0;
  for (const value of values) sum += value;
  if (Number.isFinite(sum)) return;
  const frame = start + Math.floor((values.findIndex((value) => !Number.isFinite(value)) / values.length) * frames);
  throw new Error(
    `frame ${frame} is not finite after decoding: look for NaN in the decoder's weights or in its latents`,
  );
}

/**
 * The clips of latents [B, F, h, w, C].
 *
 * @example const [clip] = await sampler.decodeClips(nets.vae, latents, { fps: 8 });
 */
export async function decodeClips(
  decoder: Part<VaeConfig>,
  latents: Tensor,
  { fps }: Pick<Clip, 'fps'>,
): Promise<Clip[]> {
  const video = decode(decoder, latents, { clamp: false });
  return clipsOf(video, fps).finally(() => video.dispose());
}

/** Pixels [B, F, H, W, 3] in [-1, 1] of clips; RangeError unless all are of one size and length. */
export function videoOf(clips: readonly Clip[], size?: readonly [width: number, height: number]): Tensor {
  const [width, height] = size ?? [clips[0]!.width, clips[0]!.height];
  const { frames } = clips[0]!;
  const wrong = clips.find((clip) => clip.frames !== frames || clip.height !== height || clip.width !== width);
  if (wrong) {
    throw new RangeError(
      `clips: wanted ${frames} frames of ${width}x${height} each, received ${wrong.frames} of ${wrong.width}x${wrong.height}`,
    );
  }
  const signed = ({ data }: Clip): Float32Array => data.map((value) => 2 * value - 1);
  return tf.tidy(() => tf.stack(clips.map((clip) => tf.tensor(signed(clip), [frames, height, width, 3]))));
}
