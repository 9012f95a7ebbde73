/** Encoding and decoding of clips that arrive in pieces, with the state between pieces in the caller's hands. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part } from '../../nn/index.ts';
import { type ChunkResult, type ChunkUse, chunkRun, type VaeState } from './chunks.ts';
import {
  bounded,
  checkLatents,
  checkPiece,
  type DecodeOptions,
  denormalise,
  normalise,
  type VaeOptions,
} from './codec.ts';
import type { VaeConfig } from './config.ts';
import { decoderLayers, encoderLayers } from './layers.ts';
import { patchify, unpatchify } from './pictures.ts';

/** The next pixel frames of a clip [B,F,H,W,3], and the state that the piece after them needs. */
export interface DecodedPiece extends Pick<ChunkResult, 'state'> {
  readonly video: Tensor;
}

/** The next normalised latents of a clip [B,f,h,w,z], and the state that the piece after them needs. */
export interface EncodedPiece extends Pick<ChunkResult, 'state'> {
  readonly latents: Tensor;
}

/** What may happen to the state that a piece is given. @defaultValue consume: false */
export type PieceOptions = Partial<Pick<ChunkUse, 'consume'>>;

/**
 * Decodes the next latents [B,f,h,w,z] of a clip. `state` is null for the first piece and afterwards what the
 * previous call returned; it is not changed, so one state may be continued in several ways, unless `consume` says that
 * it is not needed again. Free it with `tf.dispose(state)`.
 *
 * @example
 * const first = decodeChunk(net, latents0, null); // 1 + (f − 1)·stride frames
 * const second = decodeChunk(net, latents1, first.state); // f·stride frames
 */
export function decodeChunk(
  net: Part<VaeConfig>,
  latents: Tensor,
  state: VaeState | null,
  options: Pick<DecodeOptions, 'clamp' | 'onValue'> & PieceOptions = {},
): DecodedPiece {
  const { weights, config } = net;
  checkLatents(config, latents);
  const { onValue, consume = false } = options;
  return tf.tidy(() => {
    const run = chunkRun(decoderLayers(config), weights, { onValue });
    const result = run(denormalise(config, latents), state, { keep: true, consume });
    return { video: bounded(unpatchify(config, result.output), options), state: result.state };
  });
}

/**
 * Encodes the next frames [B,F,H,W,3] of a clip: 1 + k·stride frames in the first piece, k·stride in each later one.
 * `state` as for {@link decodeChunk}.
 */
export function encodeChunk(
  net: Part<VaeConfig>,
  video: Tensor,
  state: VaeState | null,
  options: Pick<VaeOptions, 'onValue'> & PieceOptions = {},
): EncodedPiece {
  const { weights, config } = net;
  checkPiece(config, video, state === null);
  const { onValue, consume = false } = options;
  return tf.tidy(() => {
    const run = chunkRun(encoderLayers(config), weights, { onValue });
    const result = run(patchify(config, video), state, { keep: true, consume });
    const mean = result.output.slice([0, 0, 0, 0, 0], [-1, -1, -1, -1, config.z_dim]);
    return { latents: normalise(config, mean), state: result.state };
  });
}

/** Pieces of a clip as they come. */
export type Pieces = Iterable<Tensor> | AsyncIterable<Tensor>;

/**
 * Yields the pixels of each piece of latents as it arrives, for example from a rollout. The pixels belong to the
 * caller, the pieces stay the producer's, and the state is freed at the end, also after a `break`.
 */
export function decodeStream(
  net: Part<VaeConfig>,
  pieces: Pieces,
  options: Pick<DecodeOptions, 'clamp' | 'onValue'> = {},
): AsyncGenerator<Tensor, void, void> {
  return carry(pieces, (piece, before) => {
    const { video, state } = decodeChunk(net, piece, before, { ...options, consume: true });
    return { output: video, state };
  });
}

/** Yields the latents of each piece of video as it arrives; ownership as for {@link decodeStream}. */
export function encodeStream(
  net: Part<VaeConfig>,
  pieces: Pieces,
  options: Pick<VaeOptions, 'onValue'> = {},
): AsyncGenerator<Tensor, void, void> {
  return carry(pieces, (piece, before) => {
    const { latents, state } = encodeChunk(net, piece, before, { ...options, consume: true });
    return { output: latents, state };
  });
}

async function* carry(
  pieces: Pieces,
  step: (piece: Tensor, state: VaeState | null) => ChunkResult,
): AsyncGenerator<Tensor, void, void> {
  let state: VaeState | null = null;
  try {
    for await (const piece of pieces) {
      const result = step(piece, state);
      state = result.state;
      yield result.output;
    }
  } finally {
    tf.dispose({ ...state });
  }
}
