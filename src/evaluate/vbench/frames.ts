/** Which frames VBench takes, and how it pads them. */
/**
 * The frames in the middles of n equal parts of a clip: part i runs from floor(i T / n) on; of a clip of fewer than n
 * frames all, the last one repeated. Source: VBench vbench/utils.py, `get_frame_indices` with "middle".
 */
export function middleFrames(frames: number, count: number): number[] {
  const parts = Math.min(frames, count);
  const bound = (i: number): number => Math.floor((i * frames) / parts);
  return Array.from({ length: count }, (_, i) => {
    return i < parts ? Math.floor((bound(i) + bound(i + 1) - 1) / 2) : frames - 1;
  });
}

/** Pixels added on each side. */
export interface Padding {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** A picture of one or more channels: [H, W] or [H, W, C]. */
export interface PaddedImage {
  data: Float32Array;
  height: number;
  width: number;
}

/** Padding that brings both sides to a multiple (8 for RAFT, 16 for AMT), the odd pixel to the right and bottom. */
export function paddingTo(multiple: number, height: number, width: number): Padding {
  const rows = (multiple - (height % multiple)) % multiple;
  const columns = (multiple - (width % multiple)) % multiple;
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return { left, right: columns - left, top, bottom: rows - top };
}

/** Repeats the border. Source: RAFT core/utils/utils.py, InputPadder in mode "sintel". */
export function padPlane({ data, height, width }: PaddedImage, { left, right, top, bottom }: Padding): PaddedImage {
  const channels = data.length / (height * width);
  const [outHeight, outWidth] = [height + top + bottom, width + left + right];
  const out = new Float32Array(outHeight * outWidth * channels);
  for (let i = 0; i < outHeight * outWidth; i++) {
    const x = Math.min(Math.max((i % outWidth) - left, 0), width - 1);
    const y = Math.min(Math.max(Math.floor(i / outWidth) - top, 0), height - 1);
    for (let c = 0; c < channels; c++) out[i * channels + c] = data[(y * width + x) * channels + c]!;
  }
  return { data: out, height: outHeight, width: outWidth };
}
