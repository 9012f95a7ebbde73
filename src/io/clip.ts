/**
 * A video in host memory: what the library shows, scores, reads and writes. Frames are RGB in [0, 1] (networks take
 * [-1, 1]: see {@link fromSigned}); {@link clipFrame} gives one of them.
 */
export interface Clip {
  /** RGB values in [0, 1], row-major [F, H, W, 3]. */
  data: Float32Array;
  frames: number;
  height: number;
  width: number;
  /** Frames a second. */
  fps: number;
}

/**
 * Makes a clip and checks that the data has the announced size.
 *
 * @throws RangeError naming the argument that does not fit.
 * @example createClip(new Float32Array(9 * 32 * 32 * 3), { frames: 9, height: 32, width: 32, fps: 8 })
 */
export function createClip(data: Float32Array, size: Omit<Clip, 'data'>): Clip {
  const { frames, height, width, fps } = size;
  for (const [name, value] of Object.entries({ frames, height, width })) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`${name}: wanted an integer >= 1, received ${value}`);
  }
  if (!(fps > 0)) throw new RangeError(`fps: wanted a positive number, received ${fps}`);
  const wanted = frames * height * width * 3;
  if (data.length !== wanted) {
    const shape = `[${frames}, ${height}, ${width}, 3]`;
    throw new RangeError(`data: ${shape} needs ${wanted} values, received ${data.length}`);
  }
  return { data, frames, height, width, fps };
}

/** Frame `index` of a clip as a view [H, W, 3] (not copied); a negative index counts from the end. */
export function clipFrame(clip: Clip, index: number): Float32Array {
  const frame = index < 0 ? clip.frames + index : index;
  if (!Number.isInteger(frame) || frame < 0 || frame >= clip.frames) {
    throw new RangeError(`index: wanted an integer within +-${clip.frames}, received ${index}`);
  }
  const size = clip.height * clip.width * 3;
  return clip.data.subarray(frame * size, (frame + 1) * size);
}

/**
 * Frames `start` up to, not including, `end` of a clip as a clip of their own; negative ones count from the end.
 *
 * @throws RangeError if no frame is left.
 * @example const last = sliceClip(clip, -1)
 */
export function sliceClip(clip: Clip, start: number, end: number = clip.frames): Clip {
  const { data, frames, ...size } = clip;
  const [from, to] = [start, end].map((frame) => Math.min(Math.max(frame < 0 ? frames + frame : frame, 0), frames));
  const pixels = data.length / frames;
  return createClip(data.slice(from! * pixels, to! * pixels), { ...size, frames: to! - from! });
}

/**
 * One clip of several of one size, one after the other.
 *
 * @throws RangeError if there is none, or the sizes differ.
 * @example const sofar = joinClips(pieces); // the pieces that `sampler.generate` yielded for a prompt
 */
export function joinClips(clips: readonly Clip[]): Clip {
  const [first] = clips;
  if (!first) throw new RangeError('clips: wanted at least one, received none');
  const { height, width, fps } = first;
  const wrong = clips.find((clip) => clip.height !== height || clip.width !== width);
  if (wrong) throw new RangeError(`clips: wanted ${width}x${height} each, received ${wrong.width}x${wrong.height}`);
  const data = new Float32Array(clips.reduce((sum, clip) => sum + clip.data.length, 0));
  let at = 0;
  for (const clip of clips) {
    data.set(clip.data, at);
    at += clip.data.length;
  }
  return createClip(data, { frames: clips.reduce((sum, { frames }) => sum + frames, 0), height, width, fps });
}

/**
 * Values of [-1, 1], the range of networks, in the range [0, 1] of clips: (value + 1) / 2, float32. What lies outside
 * stays outside.
 *
 * @example createClip(fromSigned(values), { frames, height, width, fps: 16 })
 */
export function fromSigned(data: Float32Array): Float32Array {
  return data.map((value) => (value + 1) / 2);
}

/** A value of [0, 1] as 8 bits: 255 value, rounded, within 0..255; not-a-number is 0. */
export function toByte(value: number): number {
  return value > 0 ? Math.min(255, Math.round(255 * value)) : 0;
}
